#include "upstream/retry_budget.h"

namespace hangup::upstream {
namespace {

std::int64_t second_of(MonoTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

RetryBudget::Slot& RetryBudget::slot(MonoTime now) {
  const std::int64_t second = second_of(now);
  Slot& slot = slots_[static_cast<std::size_t>(second) % seconds];
  std::int64_t of = slot.second.load(std::memory_order_relaxed);
  if (of < second && slot.second.compare_exchange_strong(of, second, std::memory_order_relaxed)) {
    slot.requests.store(0, std::memory_order_relaxed);
    slot.retries.store(0, std::memory_order_relaxed);
  }
  return slot;
}

bool RetryBudget::take(MonoTime now) {
  const std::int64_t oldest = second_of(now) - seconds;
  Slot& current = slot(now);
  current.retries.fetch_add(1);  // first, so that of two threads that take the last one at most one gets it
  std::int64_t requests = 0;
  std::int64_t retries = 0;
  for (const Slot& each : slots_) {
    if (each.second.load(std::memory_order_relaxed) <= oldest) continue;
    requests += each.requests.load(std::memory_order_relaxed);
    retries += each.retries.load();
  }
  if (retries * 100 <= requests * percent_ + reserve_ * 100) return true;
  current.retries.fetch_sub(1);
  return false;
}

}  // namespace hangup::upstream
