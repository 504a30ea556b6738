// Takes what the dispatcher reports to the ledger and, as standings to be stored, to the outbox's store.
#pragma once

#include "cleanup/durable_store.h"
#include "cleanup/ledger.h"
#include "cleanup/progress.h"

#include <functional>

namespace hangup::cleanup {

// Threading: belongs to the dispatcher's thread.
class Recorder final : public Progress {
 public:
  using Store = std::function<void(DurableStore::Update)>;
  Recorder(Ledger& ledger, const Clock& clock, Store store)
      : ledger_(ledger), clock_(clock), store_(std::move(store)) {}

  void started(const Delivery& delivery, unsigned attempt) override;
  void delivered(const Delivery& delivery, const AttemptRecord& attempt) override;
  void will_retry(const Delivery& delivery, const AttemptRecord& attempt, Duration wait) override;
  void dead(const Delivery& delivery, const std::optional<AttemptRecord>& attempt,
            std::string_view reason) override;

 private:
  Ledger& ledger_;
  const Clock& clock_;
  const Store store_;
};

}  // namespace hangup::cleanup
