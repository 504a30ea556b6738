// Tells of what goes on happening without a line for each time: the first time at once, then every ten
// seconds how often, until a period passes in which it did not.
//
// Threading: a Repetition belongs to one thread; the Tally is shared by those of all threads, of which one
// tells.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include <hangup/base/scheduler.h>
#include <hangup/downstream/front_end.h>

namespace hangup::downstream {

class Repetition {
 public:
  static constexpr auto period = std::chrono::seconds(10);

  // `tell` gets how often it happened since it was last called.
  Repetition(Scheduler& scheduler, Tally& tally, std::function<void(std::uint64_t times)> tell)
      : scheduler_(scheduler),
        tally_(tally),
        tell_(std::move(tell)),
        timer_(scheduler.make_timer([this] { end_period(); })) {}
  ~Repetition() {
    if (!telling_) return;
    if (const std::uint64_t times = tally_.times.exchange(0); times != 0) tell_(times);
    tally_.told.store(false);
  }
  Repetition(const Repetition&) = delete;
  Repetition& operator=(const Repetition&) = delete;

  void happened() {
    tally_.times.fetch_add(1);
    tell_first();
  }

 private:
  void tell_first() {
    if (tally_.told.exchange(true)) return;
    telling_ = true;
    tell_(tally_.times.exchange(0));
    timer_->set(scheduler_.now() + period);
  }
  void end_period() {
    if (const std::uint64_t times = tally_.times.exchange(0); times != 0) {
      tell_(times);
      timer_->set(scheduler_.now() + period);
      return;
    }
    telling_ = false;
    tally_.told.store(false);
    if (tally_.times.load() != 0) tell_first();  // since we looked
  }

  Scheduler& scheduler_;
  Tally& tally_;
  std::function<void(std::uint64_t)> tell_;
  std::unique_ptr<Timer> timer_;
  bool telling_ = false;
};

}  // namespace hangup::downstream
