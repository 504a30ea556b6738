#include "upstream/server_health.h"

#include <algorithm>
#include <utility>

namespace hangup::upstream {

bool CheckedServer::checked(bool passed, const config::HealthCheck& config) {
  (passed ? passes_ : failures_).add();
  const bool first = std::exchange(first_, false);
  if (passed == is_up()) {
    against_ = 0;
    return false;
  }
  if (++against_ < (passed ? config.healthy : config.unhealthy) && !first) return false;
  against_ = 0;
  up_.store(passed, std::memory_order_relaxed);
  return true;
}

void CheckedServer::inherit(const CheckedServer& before) {
  if (before.passes() + before.failures() == 0) return;
  first_ = false;
  up_ = before.is_up();
}

Outliers::Outliers(const config::Outlier& config, std::size_t servers) : config_(config), servers_(servers) {}

void Outliers::succeeded(std::size_t server, MonoTime now) {
  Server& at = servers_[server];
  const bool is_well =
      at.failures.load(std::memory_order_relaxed) == 0 && at.in_a_row.load(std::memory_order_relaxed) == 0;
  if (is_well || is_ejected(server, now)) return;
  at.failures.store(0, std::memory_order_relaxed);
  at.in_a_row.store(0, std::memory_order_relaxed);
}

std::optional<Outliers::Ejection> Outliers::failed(std::size_t server, MonoTime now) {
  if (is_ejected(server, now)) return std::nullopt;
  if (servers_[server].failures.fetch_add(1, std::memory_order_relaxed) + 1 < config_.failures)
    return std::nullopt;
  return eject(server, now);
}

// Those who may not be ejected now try again with their next failure.
std::optional<Outliers::Ejection> Outliers::eject(std::size_t server, MonoTime now) {
  const std::scoped_lock lock(mutex_);
  if (is_ejected(server, now)) return std::nullopt;  // another thread was faster
  std::size_t ejected = 1;
  for (std::size_t i = 0; i < servers_.size(); ++i) ejected += is_ejected(i, now) ? 1 : 0;
  if (ejected * 100 > servers_.size() * config_.max_ejected_percent) return std::nullopt;
  Server& at = servers_[server];
  const unsigned times = at.in_a_row.fetch_add(1, std::memory_order_relaxed) + 1;
  const Duration most = std::max<Duration>(longest, config_.eject);
  const Duration length = config_.eject > most / times ? most : config_.eject * times;
  const MonoTime end = later(now, length);
  at.failures.store(0, std::memory_order_relaxed);
  at.ejections.fetch_add(1, std::memory_order_relaxed);
  at.until.store(end.time_since_epoch().count(), std::memory_order_relaxed);
  return Ejection{.length = length, .end = end};
}

void Outliers::inherit(std::size_t server, const Outliers& before, std::size_t old) {
  servers_[server].failures = before.servers_[old].failures.load();
  servers_[server].in_a_row = before.servers_[old].in_a_row.load();
  servers_[server].until = before.servers_[old].until.load();
}

}  // namespace hangup::upstream
