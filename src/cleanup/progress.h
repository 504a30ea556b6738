// What becomes of deliveries, as the dispatcher tells it.
#pragma once

#include "cleanup/sender.h"

#include <optional>
#include <string_view>

#include <hangup/base/clock.h>
#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {

// One attempt that has ended. One that ended by `result.ours` does not count: the next has its number.
struct AttemptRecord {
  WallTime start;
  unsigned number = 0;  // from 1, over all lives of the process
  Duration duration{};
  AttemptResult result;
};

// The reason of a delivery whose `expire_after` has passed.
inline constexpr std::string_view reason_expired = "expired";

// Called on the dispatcher's thread.
class Progress {
 public:
  // An attempt begins; exactly one of the others follows it.
  virtual void started(const Delivery& delivery, unsigned attempt) = 0;
  virtual void delivered(const Delivery& delivery, const AttemptRecord& attempt) = 0;
  virtual void will_retry(const Delivery& delivery, const AttemptRecord& attempt, Duration wait) = 0;
  // `reason` is for people. No attempt: it was given up after `attempts`, not by the last one, as when it has
  // expired.
  virtual void dead(const Delivery& delivery, const std::optional<AttemptRecord>& attempt,
                    std::string_view reason, unsigned attempts) = 0;

 protected:
  ~Progress() = default;
};

}  // namespace hangup::cleanup
