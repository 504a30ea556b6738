#include "upstream/shared_upstream.h"

#include <algorithm>
#include <string>
#include <utility>

#include <hangup/base/counter.h>

namespace hangup::upstream {

SharedUpstream::SharedUpstream(std::shared_ptr<const config::Upstream> config)
    : config_(std::move(config)),
      servers_(config_->servers.size()),
      addresses_(config_->servers),
      retry_budget_(config_->retries) {
  if (config_->outlier) outliers_.emplace(*config_->outlier, servers_.size());
}

Result<std::shared_ptr<const net::TlsClient>> SharedUpstream::read_tls() const {
  if (!config_->has_https()) return nullptr;
  const config::ClientTls& tls = config_->tls;
  const auto refused = [&](const Error& error) {
    return std::unexpected(Error{"upstream `" + config_->name + "`: " + error.message});
  };
  if (const auto may = config::check_private_key(tls.key, tls.allow_insecure_permissions); !may)
    return refused(may.error());
  auto made = net::TlsClient::make({.ca = tls.ca, .certificate = tls.certificate, .key = tls.key});
  if (!made) return refused(made.error());
  return made;
}

void SharedUpstream::use_tls(std::shared_ptr<const net::TlsClient> tls) {
  {
    const std::scoped_lock lock(mutex_);
    if (tls_ != nullptr && tls_->is_same(*tls)) return;
    tls_ = std::move(tls);
  }
  tls_version_.fetch_add(1, std::memory_order_release);
  wake_workers();
}

std::shared_ptr<const net::TlsClient> SharedUpstream::tls() {
  const std::scoped_lock lock(mutex_);
  return tls_;
}

bool SharedUpstream::try_open(std::size_t server) {
  return take_one(servers_[server].open, config_->connections.max);
}

void SharedUpstream::closed(std::size_t server) {
  servers_[server].open.fetch_sub(1);
  if (anybody_waits()) wake_workers();
}

bool SharedUpstream::try_keep(std::size_t server) {
  return take_one(servers_[server].idle, config_->connections.keepalive);
}

bool SharedUpstream::anything_idle() const {
  return std::ranges::any_of(servers_, [](const Server& server) { return server.idle.load() != 0; });
}

bool SharedUpstream::try_queue() {
  return take_one(waiting_, config_->connections.queue);
}

void SharedUpstream::connected(std::size_t server, MonoTime now) {
  servers_[server].connected.fetch_add(1, std::memory_order_relaxed);
  if (servers_[server].failed_at.exchange(0, std::memory_order_relaxed) != 0) came_up(server, now);
}

void SharedUpstream::unreachable(std::size_t server, MonoTime now, std::string_view why) {
  servers_[server].unreachable.fetch_add(1, std::memory_order_relaxed);
  servers_[server].failed_at.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  failed(server, now, why);
}

// 502, 503 and 504 are what proxies and servers say that can't do what they should: the others are answers.
void SharedUpstream::answered(std::size_t server, int status, MonoTime now) {
  if (!outliers_) return;
  if (status < 502 || status > 504) return outliers_->succeeded(server, now);
  failed(server, now, "status " + std::to_string(status));
}

void SharedUpstream::failed(std::size_t server, MonoTime now, std::string_view why) {
  if (!outliers_) return;
  const auto ejection = outliers_->failed(server, now);
  if (ejection && on_ejected_) on_ejected_(server, *ejection, why);
}

// A check that passes has connected, too.
bool SharedUpstream::checked(std::size_t server, bool passed, MonoTime now) {
  Server& at = servers_[server];
  const bool was_unreachable = passed && at.failed_at.exchange(0, std::memory_order_relaxed) != 0;
  const bool changed = at.checks.checked(passed, *config_->health);
  if (passed && (changed || was_unreachable)) came_up(server, now);
  return changed;
}

bool SharedUpstream::use_addresses(std::size_t server, std::vector<SocketAddress> to, MonoTime now) {
  if (!addresses_.change(server, std::move(to))) return false;
  // That was said of the others.
  if (servers_[server].failed_at.exchange(0, std::memory_order_relaxed) != 0) came_up(server, now);
  wake_workers();  // they close what is idle and leads elsewhere
  return true;
}

bool SharedUpstream::is_up(std::size_t server, MonoTime now) const {
  const Server& at = servers_[server];
  const Duration failed(at.failed_at.load(std::memory_order_relaxed));
  const bool reachable = failed == Duration::zero() || now.time_since_epoch() - failed >= down_for;
  return reachable && at.checks.is_up() && addresses_.has_any(server) && !is_ejected(server, now);
}

// Its weight may have changed, and nothing else that matters to its health.
void SharedUpstream::inherit(const SharedUpstream& before) {
  const auto is_there = [](const config::Server& one, const config::Server& other) {
    return one.url == other.url && one.name == other.name && one.tls_name == other.tls_name &&
           (one.name || one.address == other.address);
  };
  const auto& olds = before.config_->servers;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const auto found = std::ranges::find_if(
        olds, [&](const config::Server& old) { return is_there(old, config_->servers[i]); });
    if (found == olds.end()) continue;
    const auto old = static_cast<std::size_t>(found - olds.begin());
    servers_[i].failed_at = before.servers_[old].failed_at.load();
    servers_[i].came_up_at = before.servers_[old].came_up_at.load();
    if (config_->health && config_->health == before.config_->health)
      servers_[i].checks.inherit(before.servers_[old].checks);
    if (outliers_ && before.outliers_) outliers_->inherit(i, *before.outliers_, old);
    if (found->name) addresses_.change(i, *before.addresses_.all()[old]);
  }
}

void SharedUpstream::came_up(std::size_t server, MonoTime now) {
  servers_[server].came_up_at.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  if (anybody_waits()) wake_workers();
}

double SharedUpstream::share(std::size_t server, MonoTime now) const {
  constexpr double least = 0.1;
  if (config_->slow_start == Duration::zero()) return 1;
  if (servers_[server].failed_at.load(std::memory_order_relaxed) != 0) return least;
  const Duration since(servers_[server].came_up_at.load(std::memory_order_relaxed));
  if (since == Duration::zero()) return 1;
  const std::chrono::duration<double> elapsed = now.time_since_epoch() - since;
  const double part = elapsed / std::chrono::duration<double>(config_->slow_start);
  return least + (1 - least) * std::clamp(part, 0.0, 1.0);
}

UpstreamState SharedUpstream::state(MonoTime now) const {
  UpstreamState state;
  state.queued = waiting_.load();
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const Server& server = servers_[i];
    state.servers.push_back({.url = config_->servers[i].url,
                             .up = is_up(i, now),
                             .connections = server.open.load(),
                             .idle = server.idle.load(),
                             .requests = requests(i),
                             .connected = server.connected.load(std::memory_order_relaxed),
                             .unreachable = server.unreachable.load(std::memory_order_relaxed),
                             .checks_passed = server.checks.passes(),
                             .checks_failed = server.checks.failures(),
                             .ejected = is_ejected(i, now),
                             .ejections = outliers_ ? outliers_->ejections(i) : 0,
                             .addresses = addresses_.count(i),
                             .names_found = server.names_found.value(),
                             .names_not_found = server.names_not_found.value()});
  }
  requests_.for_each([&](const Requests& each) {
    state.requests_on_new += each.on_new.value();
    state.requests_on_reused += each.on_reused.value();
    for (std::size_t i = 0; i < state.retries.size(); ++i) state.retries[i] += each.retries[i].value();
    state.retries_over_budget += each.over_budget.value();
  });
  return state;
}

SharedUpstream::Workers::iterator SharedUpstream::add_worker(std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  return workers_.insert(workers_.end(), std::move(wake));
}

void SharedUpstream::remove_worker(Workers::iterator worker) {
  const std::scoped_lock lock(mutex_);
  workers_.erase(worker);
}

void SharedUpstream::wake_workers() {
  const std::scoped_lock lock(mutex_);
  for (const auto& wake : workers_) wake();
}

Result<std::shared_ptr<SharedUpstream>> make_shared_upstream(std::shared_ptr<const config::Upstream> config,
                                                             const SharedUpstream* before) {
  auto upstream = std::make_shared<SharedUpstream>(std::move(config));
  if (before != nullptr) upstream->inherit(*before);
  auto tls = upstream->read_tls();
  if (!tls) return std::unexpected(std::move(tls.error()));
  if (*tls) upstream->use_tls(std::move(*tls));
  return upstream;
}

UpstreamState state_of(const SharedUpstream& upstream) {
  return upstream.state(std::chrono::steady_clock::now());
}

Result<std::function<void()>> read_tls(std::shared_ptr<SharedUpstream> upstream) {
  auto tls = upstream->read_tls();
  if (!tls) return std::unexpected(std::move(tls.error()));
  return [upstream = std::move(upstream), tls = std::move(*tls)] {
    if (tls) upstream->use_tls(tls);
  };
}

bool is_same(const SharedUpstream& upstream, const config::Upstream& config) {
  return upstream.config() == config;
}

}  // namespace hangup::upstream
