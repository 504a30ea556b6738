#include "app/demo/timeline.h"

#include <algorithm>
#include <utility>

namespace hangup::app::demo {

void Timeline::record(Event event) {
  const std::lock_guard lock(mutex_);
  if (listener_) {
    listener_(event);
    return;
  }
  events_.push_back(std::move(event));
  recorded_.notify_all();
}

std::optional<Event> Timeline::wait_for(const Condition& condition, Duration at_most) {
  const MonoTime deadline = std::chrono::steady_clock::now() + at_most;
  std::unique_lock lock(mutex_);
  auto found = events_.end();
  recorded_.wait_until(lock, deadline, [&] {
    found = std::ranges::find_if(events_, condition);
    return found != events_.end();
  });
  if (found == events_.end()) return std::nullopt;
  return *found;
}

std::size_t Timeline::count(const Condition& condition) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(events_, condition));
}

void Timeline::follow(Listener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
  events_.clear();
}

}  // namespace hangup::app::demo
