// Deadlines and deferred work of one thread's event loop, without naming the loop: net::EventLoop is the real
// one, tests use a fake with a clock that they turn by hand.
//
// Threading: a Scheduler and its timers belong to one thread.
#pragma once

#include <functional>
#include <memory>

#include <hangup/base/clock.h>

namespace hangup {

// One deadline that can be moved. Destroying it cancels it; it may be destroyed from inside its own callback.
class Timer {
 public:
  virtual ~Timer() = default;
  // Fires once at `when` (at the next turn of the loop if that has passed). Replaces what was set before;
  // moving a deadline later costs no more than an assignment.
  virtual void set(MonoTime when) = 0;
  virtual void cancel() = 0;
};

class Scheduler : public Clock {
 public:
  // As now(), at less cost, and as old as this turn of the loop: for deadlines. Its thread's, unlike now().
  virtual MonoTime recent() const { return now(); }
  virtual std::unique_ptr<Timer> make_timer(std::function<void()> on_fire) = 0;
  // Runs `work` on this thread after the callback that is running now has returned, and before the loop waits
  // again. The way to destroy an object from inside its own callback: defer([p = std::move(owner)] {}).
  virtual void defer(std::move_only_function<void()> work) = 0;
};

}  // namespace hangup
