// Counting without locks: each thread counts in counters of its own, and whoever wants to know adds them up.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include <hangup/base/clock.h>

namespace hangup {

// Only ever grows. Written by one thread, which costs no more than a plain variable; read by any.
class Count {
 public:
  void add(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// How many durations were at most as long as each of `Bounds`, an array that ascends. As Count.
template <const auto& Bounds>
class DurationCounts {
 public:
  static constexpr std::size_t buckets = Bounds.size() + 1;  // the last is for what is beyond all bounds

  void add(Duration duration) {
    duration = std::max(duration, Duration::zero());
    std::size_t bucket = 0;
    while (bucket < Bounds.size() && Bounds[bucket] < duration) ++bucket;
    counts_[bucket].add();
    nanoseconds_.add(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count()));
  }
  std::uint64_t bucket(std::size_t index) const { return counts_[index].value(); }
  double seconds() const { return static_cast<double>(nanoseconds_.value()) / 1e9; }  // of all together

 private:
  std::array<Count, buckets> counts_;
  Count nanoseconds_;
};

// One T for each of some threads, on cache lines of its own.
// Threading: any; what threads do with their T is T's affair.
template <typename T>
class PerThread {
 public:
  // One more. It stays where it is and lives as long as this.
  T& add() {
    const std::scoped_lock lock(mutex_);
    return all_.emplace_back().value;
  }
  template <typename Visit>
  void for_each(const Visit& visit) const {
    const std::scoped_lock lock(mutex_);
    for (const Apart& each : all_) visit(each.value);
  }

 private:
  // Two lines: processors fetch them in pairs.
  struct alignas(128) Apart {
    T value;
  };
  mutable std::mutex mutex_;
  std::deque<Apart> all_;  // guarded by mutex_
};

}  // namespace hangup
