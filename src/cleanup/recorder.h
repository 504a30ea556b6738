// Takes what the dispatcher reports to the ledger and, as standings to be stored, to the outbox's store.
#pragma once

#include "cleanup/durable_store.h"
#include "cleanup/ledger.h"
#include "cleanup/progress.h"

#include <functional>
#include <string>
#include <unordered_set>
#include <utility>

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
  void dead(const Delivery& delivery, const std::optional<AttemptRecord>& attempt, std::string_view reason,
            unsigned attempts) override;

  // An attempt is under way: its end is still to be reported.
  bool is_under_way(const std::string& id) const { return under_way_.contains(id); }

 private:
  Ledger& ledger_;
  const Clock& clock_;
  const Store store_;
  std::unordered_set<std::string> under_way_;
};

}  // namespace hangup::cleanup
