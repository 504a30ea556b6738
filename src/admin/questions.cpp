#include "admin/questions.h"

#include <utility>

namespace hangup::admin {

Questions::Questions(Scheduler& scheduler, std::shared_ptr<Desk> desk)
    : scheduler_(scheduler), desk_(std::move(desk)) {}

void Questions::begin(const std::function<std::size_t(Id)>& ask, Duration patience, Done done) {
  const Id id = ++last_id_;
  Open& open = open_[id];
  open.done = std::move(done);
  open.missing = ask(id);  // answers come by the desk, so not before this returns
  if (open.missing == 0) return end(id);
  open.timer = scheduler_.make_timer([this, id] { end(id); });
  open.timer->set(scheduler_.now() + patience);
}

Questions::Answering Questions::answering() {
  return [this, desk = desk_](Id id, std::move_only_function<void()> take) {
    desk->post([this, id, take = std::move(take)]() mutable {
      const auto open = open_.find(id);
      if (open == open_.end()) return;
      take();
      if (--open->second.missing == 0) end(id);
    });
  };
}

void Questions::end(Id id) {
  auto open = open_.extract(id);
  if (open.empty()) return;
  open.mapped().done(open.mapped().missing);
  scheduler_.defer([timer = std::move(open.mapped().timer)] {});  // it may be the one that calls us
}

}  // namespace hangup::admin
