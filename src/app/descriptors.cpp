#include "app/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>
#include <string>

#include <hangup/downstream/connection_limits.h>

namespace hangup::app {
namespace {

// Standard streams, logs, the outbox's files, the admin listener and those who ask it, name lookups.
constexpr std::size_t for_the_process = 64;
// A loop, a journal, a connection that waits; and a socket for each listener.
constexpr std::size_t for_a_worker = 6;
// As many calls to its receiver as are under way at once; those that find no descriptor are made later.
constexpr std::size_t for_a_cleanup = 64;
constexpr std::size_t most_for_cleanups = 1024;
// Fewer connections than this for a listener are not worth starting for.
constexpr std::size_t least_connections = 4;

// Descriptors for all but clients and servers.
std::size_t fixed_descriptors(const config::Config& config) {
  std::size_t count = for_the_process + config.workers * (for_a_worker + config.listeners.size());
  for (const auto& upstream : config.upstreams) {
    if (upstream->health) count += upstream->servers.size();
  }
  count += std::min(config.cleanups.size() * for_a_cleanup, most_for_cleanups);
  for (const config::Listener& listener : config.listeners) {
    const bool refuses = listener.connections.when_full == config::Listener::Connections::WhenFull::reject ||
                         listener.connections.per_client != 0;
    if (refuses) count += downstream::ConnectionLimits::most_refusals;
  }
  return count;
}

// Some route's requests to it may go on when their clients, and their places, have gone.
bool outlives_clients(const config::Config& config, const config::Upstream& upstream) {
  return std::ranges::any_of(config.routes, [&](const config::Route& route) {
    const config::OnDisconnect& policy = route.on_disconnect;
    return route.upstream.get() == &upstream &&
           (policy.upstream == config::OnDisconnect::Upstream::finish || policy.grace > Duration::zero());
  });
}

std::size_t rest_of(std::size_t whole, std::size_t part) {
  return whole - std::min(whole, part);
}

}  // namespace

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<std::size_t>::max();
  if (limit.rlim_cur != limit.rlim_max) {
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

Result<DescriptorPlan> plan_descriptors(const config::Config& config, std::size_t allowed) {
  std::size_t clients = 0;
  std::size_t servers = 0;  // connections to servers
  std::size_t kept = 0;     // of them, idle or without a client
  for (const config::Listener& listener : config.listeners) clients += listener.connections.max;
  for (const auto& upstream : config.upstreams) {
    const config::Upstream::Connections& connections = upstream->connections;
    const bool any_may_be_kept = outlives_clients(config, *upstream);
    servers += upstream->servers.size() * connections.max;
    kept += upstream->servers.size() * (any_may_be_kept ? connections.max : connections.keepalive);
  }
  // A client's connection uses one to a server at most, beside those that are kept.
  const std::size_t fixed = fixed_descriptors(config);
  DescriptorPlan plan;
  plan.needed = fixed + clients + std::min(servers, clients + kept);
  const std::size_t left = rest_of(allowed, fixed);
  const std::size_t fit =
      plan.needed <= allowed ? clients : std::max(rest_of(left, servers), rest_of(left, kept) / 2);
  if (fit < clients && fit < least_connections * config.listeners.size()) {
    return std::unexpected(
        Error{"the limit on open files is " + std::to_string(allowed) + ", which leaves none for clients: " +
              std::to_string(plan.needed) + " are needed for all that the configuration allows; raise it " +
              "(LimitNOFILE= of systemd, --ulimit nofile= of Docker, ulimit -n of a shell)"});
  }
  for (const config::Listener& listener : config.listeners) {
    const double share = static_cast<double>(listener.connections.max) / static_cast<double>(clients);
    const auto most = static_cast<std::size_t>(share * static_cast<double>(fit));
    plan.connections.push_back(std::clamp<std::size_t>(most, 1, listener.connections.max));
  }
  return plan;
}

}  // namespace hangup::app
