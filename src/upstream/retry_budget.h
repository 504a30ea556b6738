// How much may be sent again, so that retries don't multiply the load of servers that fail for too much of
// it: a part of the requests of the last 10 seconds, and a few for each of these seconds whatever was sent.
//
// Threading: any thread; no locks. Counts of a second that begins while two threads count may be off by some.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <hangup/base/clock.h>
#include <hangup/config/config.h>

namespace hangup::upstream {

class RetryBudget {
 public:
  static constexpr int seconds = 10;

  explicit RetryBudget(const config::Retries& retries)
      : percent_(retries.budget_percent), reserve_(std::int64_t{retries.min_per_second} * seconds) {}

  // A request came that is none.
  void request(MonoTime now) { slot(now).requests.fetch_add(1, std::memory_order_relaxed); }
  // Takes one, or says that there is none left.
  bool take(MonoTime now);

 private:
  struct Slot {
    std::atomic<std::int64_t> second = -1;  // since the clock's epoch
    std::atomic<std::int64_t> requests = 0;
    std::atomic<std::int64_t> retries = 0;  // below 0 where a second began while it was given back
  };
  Slot& slot(MonoTime now);

  const unsigned percent_;
  const std::int64_t reserve_;
  std::array<Slot, seconds> slots_;
};

}  // namespace hangup::upstream
