// The two clocks. Everything that needs time takes a Clock (or a Scheduler, which is one), so that tests
// need no real time.
#pragma once

#include <chrono>

namespace hangup {

using Duration = std::chrono::nanoseconds;
// For measuring and for deadlines: never goes backwards.
using MonoTime = std::chrono::steady_clock::time_point;
// For people and for other machines: may jump.
using WallTime = std::chrono::system_clock::time_point;

// `time` + `wait`, or the end of time when that lies beyond it. A wait that is negative is none.
constexpr MonoTime later(MonoTime time, Duration wait) {
  if (wait <= Duration::zero()) return time;
  return wait > MonoTime::max() - time ? MonoTime::max() : time + wait;
}

// A time or none, in no more room than the time.
class OptionalTime {
 public:
  constexpr OptionalTime() = default;
  constexpr OptionalTime(MonoTime time) : time_(time) {}
  constexpr explicit operator bool() const { return time_ != none; }
  constexpr MonoTime operator*() const { return time_; }  // REQUIRES: there is one
  constexpr MonoTime value_or(MonoTime other) const { return *this ? time_ : other; }
  constexpr void reset() { time_ = none; }

 private:
  static constexpr MonoTime none = MonoTime::min();
  MonoTime time_ = none;
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime now() const = 0;
  virtual WallTime wall() const = 0;
};

// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  MonoTime now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace hangup
