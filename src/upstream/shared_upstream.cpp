#include "upstream/shared_upstream.h"

#include <algorithm>
#include <utility>

#include <hangup/base/counter.h>

namespace hangup::upstream {

SharedUpstream::SharedUpstream(std::shared_ptr<const config::Upstream> config)
    : config_(std::move(config)), servers_(config_->servers.size()) {}

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

void SharedUpstream::connected(std::size_t server) {
  servers_[server].connected.fetch_add(1, std::memory_order_relaxed);
  servers_[server].failed_at.store(0, std::memory_order_relaxed);
}

void SharedUpstream::unreachable(std::size_t server, MonoTime now) {
  servers_[server].unreachable.fetch_add(1, std::memory_order_relaxed);
  servers_[server].failed_at.store(now.time_since_epoch().count(), std::memory_order_relaxed);
}

bool SharedUpstream::is_up(std::size_t server, MonoTime now) const {
  const Duration failed(servers_[server].failed_at.load(std::memory_order_relaxed));
  return failed == Duration::zero() || now.time_since_epoch() - failed >= down_for;
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
                             .unreachable = server.unreachable.load(std::memory_order_relaxed)});
  }
  requests_.for_each([&](const Requests& each) {
    state.requests_on_new += each.on_new.value();
    state.requests_on_reused += each.on_reused.value();
  });
  return state;
}

void SharedUpstream::add_worker(std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  workers_.push_back(std::move(wake));
}

void SharedUpstream::wake_workers() {
  const std::scoped_lock lock(mutex_);
  for (const auto& wake : workers_) wake();
}

Result<std::shared_ptr<SharedUpstream>> make_shared_upstream(std::shared_ptr<const config::Upstream> config) {
  auto upstream = std::make_shared<SharedUpstream>(std::move(config));
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
