#include "cleanup/ledger.h"

#include "cleanup/url.h"

#include <fmt/chrono.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include <hangup/base/utc.h>

namespace hangup::cleanup {
namespace {

using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::milliseconds;
using Json = nlohmann::ordered_json;

Json string_or_null(std::string_view text) {
  return text.empty() ? Json() : Json(text);
}

void write_line(spdlog::logger* access, const Delivery& delivery, const AttemptRecord& attempt,
                const char* result, std::optional<Duration> retry_in, std::string_view error) {
  if (access == nullptr || !access->should_log(spdlog::level::info)) return;
  Json line;
  line["time"] = utc_milliseconds(attempt.start);
  line["type"] = "cleanup";
  line["webhook_id"] = delivery.id;
  line["request_id"] = delivery.shown_id();
  line["cleanup"] = delivery.cleanup;
  line["attempt"] = attempt.number;
  line["method"] = delivery.method;
  line["url"] = without_query(delivery.url);
  line["status"] = attempt.result.status;
  line["error"] = string_or_null(error);
  line["duration_ms"] = static_cast<double>(duration_cast<microseconds>(attempt.duration).count()) / 1000;
  line["result"] = result;
  line["retry_in_ms"] = retry_in ? Json(duration_cast<milliseconds>(*retry_in).count()) : Json();
  access->log(spdlog::level::info, line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n');
}

}  // namespace

Ledger::Ledger(const Clock& clock, std::shared_ptr<spdlog::logger> access,
               std::shared_ptr<spdlog::logger> log)
    : clock_(clock), access_(std::move(access)), log_(std::move(log)) {}

bool Ledger::admit(const Delivery& delivery, std::size_t capacity) {
  bool room = false;
  {
    const std::scoped_lock lock(mutex_);
    room = counts_.pending() < capacity;
    ++counts_.added;
    ++by_cleanup_[delivery.cleanup].owed;
  }
  if (!room) dead(delivery, std::nullopt, fmt::format("the outbox is full with {} deliveries", capacity), 0);
  return room;
}

void Ledger::admit(const Delivery& delivery) {
  const std::scoped_lock lock(mutex_);
  ++counts_.added;
  ++by_cleanup_[delivery.cleanup].owed;
}

void Ledger::restored(std::uint64_t deliveries) {
  const std::scoped_lock lock(mutex_);
  counts_.added += deliveries;
}

void Ledger::gone(std::uint64_t deliveries) {
  if (deliveries == 0) return;
  const std::scoped_lock lock(mutex_);
  counts_.dead += deliveries;
  if (counts_.pending() == 0) settled_.notify_all();
}

void Ledger::delivered(const Delivery& delivery, const AttemptRecord& attempt) {
  write_line(access_.get(), delivery, attempt, "delivered", std::nullopt, attempt.result.error);
  count(delivery, {.total = &Counts::delivered, .own = &CleanupCounts::delivered, .attempted = true});
}

void Ledger::will_retry(const Delivery& delivery, const AttemptRecord& attempt, Duration wait) {
  write_line(access_.get(), delivery, attempt, "retry", wait, attempt.result.error);
  count(delivery, {.own = &CleanupCounts::retried, .attempted = !attempt.result.ours});
}

void Ledger::dead(const Delivery& delivery, const std::optional<AttemptRecord>& attempt,
                  std::string_view reason, unsigned attempts) {
  const AttemptRecord none{.start = clock_.wall(), .number = attempts, .duration = {}, .result = {}};
  const AttemptRecord& last = attempt ? *attempt : none;
  write_line(access_.get(), delivery, last, "dead", std::nullopt,
             last.result.error.empty() || reason == reason_expired ? reason : last.result.error);
  log_->warn("dead letter webhook_id={} request_id={} cleanup={} attempts={} url={} reason=\"{}\"",
             delivery.id, delivery.shown_id(), delivery.cleanup, last.number, without_query(delivery.url),
             reason);
  count(delivery, {.total = &Counts::dead,
                   .own = &CleanupCounts::dead,
                   .attempted = attempt.has_value(),
                   .expired = reason == reason_expired});
}

void Ledger::lost(const std::vector<const Delivery*>& deliveries) {
  // Many to a line: the logger's queue holds fewer messages than an outbox deliveries.
  constexpr std::size_t per_line = 100;
  for (std::size_t first = 0; first < deliveries.size(); first += per_line) {
    const std::size_t end = std::min(first + per_line, deliveries.size());
    std::string ids;
    for (std::size_t i = first; i < end; ++i) {
      if (!ids.empty()) ids += ',';
      ids += deliveries[i]->id;
    }
    log_->warn("cleanups lost at shut-down count={} webhook_id={}", end - first, ids);
  }
}

Counts Ledger::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

bool Ledger::wait_settled(Duration patience) const {
  std::unique_lock lock(mutex_);
  return settled_.wait_for(lock, patience, [this] { return counts_.pending() == 0; });
}

std::map<std::string, CleanupCounts> Ledger::counts_by_cleanup() const {
  const std::scoped_lock lock(mutex_);
  return by_cleanup_;
}

void Ledger::count(const Delivery& delivery, const Change& change) {
  const std::scoped_lock lock(mutex_);
  if (change.attempted) ++counts_.attempts;
  if (change.total != nullptr) ++(counts_.*change.total);
  CleanupCounts& own = by_cleanup_[delivery.cleanup];
  ++(own.*change.own);
  if (change.expired) ++own.expired;
  if (counts_.pending() == 0) settled_.notify_all();
}

}  // namespace hangup::cleanup
