// What became of deliveries: counts for machines, log lines for people and machines.
#pragma once

#include "cleanup/progress.h"

#include <spdlog/fwd.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {

// Any thread.
class Ledger final : public Progress {
 public:
  // `access` may be null. Each line in it is one JSON object:
  //   time type=cleanup webhook_id request_id cleanup attempt method url (without query) status (0 for no
  //   response) error duration_ms result=delivered|retry|dead retry_in_ms
  // Never a header's value, never a body. A dead letter is a warning in `log` too.
  Ledger(const Clock& clock, std::shared_ptr<spdlog::logger> access, std::shared_ptr<spdlog::logger> log);

  // Counts a new delivery in, if fewer than `capacity` are pending. Otherwise it is a dead letter at once,
  // and false.
  bool admit(const Delivery& delivery, std::size_t capacity);
  // Of a durable outbox. Counts a delivery in, however many there are.
  void admit(const Delivery& delivery);
  // Deliveries that are pending from before, or once more.
  void restored(std::uint64_t deliveries);
  // Pending ones that nobody sends any more, as dropped by an operator; they count as dead.
  void gone(std::uint64_t deliveries);

  void started(const Delivery&, unsigned) override {}
  void delivered(const Delivery& delivery, const AttemptRecord& attempt) override;
  void will_retry(const Delivery& delivery, const AttemptRecord& attempt, Duration wait) override;
  void dead(const Delivery& delivery, const std::optional<AttemptRecord>& attempt, std::string_view reason,
            unsigned attempts) override;
  // Those that are still pending when nobody is left to send them.
  void lost(const std::vector<const Delivery*>& deliveries);

  Counts counts() const;
  std::map<std::string, CleanupCounts> counts_by_cleanup() const;
  // Waits until nothing is pending, or for `patience`. True when nothing is pending.
  bool wait_settled(Duration patience) const;

 private:
  struct Change {
    std::uint64_t Counts::* total = nullptr;
    std::uint64_t CleanupCounts::* own = nullptr;
    bool attempted = false;
    bool expired = false;
  };
  void count(const Delivery& delivery, const Change& change);

  const Clock& clock_;
  std::shared_ptr<spdlog::logger> access_;
  std::shared_ptr<spdlog::logger> log_;
  mutable std::mutex mutex_;
  mutable std::condition_variable settled_;
  Counts counts_;  // these are guarded by mutex_
  std::map<std::string, CleanupCounts> by_cleanup_;
};

}  // namespace hangup::cleanup
