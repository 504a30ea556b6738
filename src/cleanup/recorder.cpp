#include "cleanup/recorder.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace hangup::cleanup {
namespace {

Standing standing_after(const AttemptRecord& attempt, DeliveryState state) {
  Standing standing{.state = state, .attempts = attempt.number};
  if (attempt.result.ours) --standing.attempts;
  standing.status = attempt.result.status;
  standing.error = attempt.result.error;
  return standing;
}

}  // namespace

void Recorder::started(const Delivery& delivery, unsigned attempt) {
  under_way_.insert(delivery.id);
  ledger_.started(delivery, attempt);
  store_({delivery.id, {.state = DeliveryState::in_flight, .attempts = attempt}});
}

// The ledger comes last: once it says that nothing is pending, the outbox may go, and what is stored must be
// in its queue by then.
void Recorder::delivered(const Delivery& delivery, const AttemptRecord& attempt) {
  under_way_.erase(delivery.id);
  Standing standing = standing_after(attempt, DeliveryState::delivered);
  standing.ended = clock_.wall();
  store_({delivery.id, std::move(standing)});
  ledger_.delivered(delivery, attempt);
}

void Recorder::will_retry(const Delivery& delivery, const AttemptRecord& attempt, Duration wait) {
  under_way_.erase(delivery.id);
  Standing standing = standing_after(attempt, DeliveryState::pending);
  standing.next_attempt = clock_.wall() + std::chrono::duration_cast<WallTime::duration>(
                                              std::min<Duration>(wait, std::chrono::hours(24)));
  store_({delivery.id, std::move(standing)});
  ledger_.will_retry(delivery, attempt, wait);
}

void Recorder::dead(const Delivery& delivery, const std::optional<AttemptRecord>& attempt,
                    std::string_view reason, unsigned attempts) {
  under_way_.erase(delivery.id);
  Standing standing{.state = DeliveryState::dead, .attempts = attempts};
  if (attempt) standing = standing_after(*attempt, DeliveryState::dead);
  standing.ended = clock_.wall();
  standing.reason = reason;
  store_({delivery.id, std::move(standing)});
  ledger_.dead(delivery, attempt, reason, attempts);
}

}  // namespace hangup::cleanup
