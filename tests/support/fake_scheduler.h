// A Scheduler whose clock is turned by hand.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <hangup/base/scheduler.h>

namespace hangup::test {

// Must outlive its timers.
class FakeScheduler final : public Scheduler {
 public:
  // The clocks start at an arbitrary moment: 2026-01-02T03:04:05Z.
  MonoTime now() const override { return now_; }
  WallTime wall() const override { return WallTime(std::chrono::seconds(1767323045)) + (now_ - start_); }

  std::unique_ptr<Timer> make_timer(std::function<void()> on_fire) override {
    return std::make_unique<FakeTimer>(*this, std::move(on_fire));
  }
  void defer(std::move_only_function<void()> work) override { deferred_.push_back(std::move(work)); }

  // Runs deferred work, what that defers too, and the timers that are due.
  void run() {
    do {
      run_deferred();
    } while (fire_next(now_));
  }

  // Turns the clock, stopping at each deadline on the way, in order.
  void advance(Duration by) {
    const MonoTime end = now_ + by;
    run();
    while (fire_next(end)) run_deferred();
    now_ = end;
  }

  // Time goes by while something else runs: nothing fires.
  void let_pass(Duration time) { now_ += time; }

  // The deadlines that are set.
  std::size_t timers() const { return armed_.size(); }

 private:
  class FakeTimer final : public Timer {
   public:
    FakeTimer(FakeScheduler& scheduler, std::function<void()> on_fire)
        : scheduler_(scheduler), on_fire_(std::move(on_fire)) {}
    ~FakeTimer() override { cancel(); }
    void set(MonoTime when) override {
      cancel();
      scheduler_.armed_.push_back({when, this});
    }
    void cancel() override {
      std::erase_if(scheduler_.armed_, [this](const Armed& armed) { return armed.timer == this; });
    }

   private:
    friend class FakeScheduler;
    FakeScheduler& scheduler_;
    std::function<void()> on_fire_;
  };

  struct Armed {
    MonoTime when;
    FakeTimer* timer;
  };

  void run_deferred() {
    while (!deferred_.empty()) {
      for (auto& work : std::exchange(deferred_, {})) work();
    }
  }

  // Fires the earliest deadline of those up to `end`; of equal ones the one that was set first.
  bool fire_next(MonoTime end) {
    const auto next = std::ranges::min_element(armed_, {}, &Armed::when);
    if (next == armed_.end() || next->when > end) return false;
    now_ = std::max(now_, next->when);
    const auto on_fire = next->timer->on_fire_;  // a copy: the timer may be destroyed by it
    armed_.erase(next);
    on_fire();
    return true;
  }

  MonoTime start_{std::chrono::hours(1000)};
  MonoTime now_ = start_;
  std::vector<Armed> armed_;
  std::vector<std::move_only_function<void()>> deferred_;
};

}  // namespace hangup::test
