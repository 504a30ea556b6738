#include "cleanup/recovery.h"

#include "cleanup/snapshot.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

namespace hangup::cleanup {
namespace {

std::string value_or_empty(const Snapshot& snapshot, std::string_view name) {
  return std::string(snapshot.value(name).value_or(std::string_view()));
}

template <typename Number>
Number number_or_zero(const Snapshot& snapshot, std::string_view name) {
  const std::string_view text = snapshot.value(name).value_or(std::string_view());
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

CrashedExchange describe(const Snapshot& snapshot, Phase phase) {
  CrashedExchange exchange;
  exchange.id = snapshot.request_id;
  exchange.request_id = snapshot.shown_id();
  exchange.trace_id = snapshot.trace_id().value_or("");
  exchange.user = value_or_empty(snapshot, "auth.name");
  exchange.route = snapshot.route;
  exchange.started = snapshot.started;
  exchange.phase = phase;
  exchange.client_ip = value_or_empty(snapshot, "client.ip");
  exchange.client_port = number_or_zero<std::uint16_t>(snapshot, "client.port");
  exchange.method = value_or_empty(snapshot, "request.method");
  exchange.host = value_or_empty(snapshot, "request.host");
  exchange.path = value_or_empty(snapshot, "request.path");
  exchange.status = number_or_zero<int>(snapshot, "response.status");
  exchange.upstream = value_or_empty(snapshot, "upstream.server");
  return exchange;
}

// Why the configuration of now has no cleanup for it; "" if it has.
std::string_view missing(const config::Route* route) {
  if (route == nullptr) return "its route is no longer configured";
  if (route->on_disconnect.cleanups.empty()) return "its route has no cleanup any more";
  if (!route->cleanup_on.contains(Outcome::crashed))
    return "its route calls no cleanup for `crashed` any more";
  return {};
}

}  // namespace

std::optional<Recovered> recover(const Leftover& leftover, const config::Config& config, WallTime died,
                                 spdlog::logger& log) {
  const auto snapshot = decode_snapshot(leftover.snapshot);
  if (!snapshot) return std::nullopt;
  Recovered recovered{.exchange = describe(*snapshot, leftover.phase), .deliveries = {}};
  const auto match = snapshot->match();
  const auto found = match
                         ? std::ranges::find_if(config.routes,
                                                [&](const config::Route& route) {
                                                  return !route.is_named && match_text(route.match) == *match;
                                                })
                         : std::ranges::find(config.routes, snapshot->route, &config::Route::name);
  const config::Route* route = found == config.routes.end() ? nullptr : &*found;
  if (const std::string_view why = missing(route); !why.empty()) {
    log.warn("cleanup skipped request_id={} route={} outcome=crashed reason=\"{}\"", snapshot->shown_id(),
             snapshot->route, why);
    recovered.exchange.cleanup_skipped = why;
    return recovered;
  }
  const auto& servers = route->upstream->servers;
  const auto server = std::ranges::find(servers, recovered.exchange.upstream, &config::Server::url);
  const SnapshotVariables variables(*snapshot, leftover.phase, died);
  const auto address = snapshot->address();
  const ServerAt had_it{.server = server == servers.end() ? nullptr : &*server,
                        .address = address ? &*address : nullptr};
  Owed owed = render_all(*route, had_it, variables, snapshot->request_id, died);
  for (const Delivery& delivery : owed.deliveries) recovered.exchange.cleanup_ids.push_back(delivery.id);
  recovered.exchange.cleanup_skipped = std::move(owed.skipped);
  recovered.deliveries = std::move(owed.deliveries);
  return recovered;
}

}  // namespace hangup::cleanup
