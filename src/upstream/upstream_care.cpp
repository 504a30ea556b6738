#include "upstream/upstream_care.h"

#include "upstream/server_probe.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <utility>

#include <hangup/base/units.h>

namespace hangup::upstream {
namespace {

// There is nowhere to connect to.
class NoProbe final : public Probe {
 public:
  NoProbe(net::EventLoop& loop, HealthChecker::Done done) {
    loop.defer([done = std::move(done), alive = std::weak_ptr(alive_)] {
      if (!alive.expired())
        done({.verdict = CheckResult::Verdict::failed, .reason = "its name could not be looked up"});
    });
  }

 private:
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace

bool needs_care(const config::Upstream& upstream) {
  return upstream.health || upstream.outlier || names_in(upstream) != 0;
}

std::size_t names_in(const config::Upstream& upstream) {
  return static_cast<std::size_t>(std::ranges::count_if(
      upstream.servers, [](const config::Server& server) { return server.name.has_value(); }));
}

UpstreamCare::UpstreamCare(const Needs& needs, std::shared_ptr<SharedUpstream> upstream,
                           std::function<void()> on_name)
    : needs_(needs), upstream_(std::move(upstream)), servers_(upstream_->config().servers.size()) {
  const config::Upstream& config = upstream_->config();
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    Server& server = servers_[i];
    const auto start_checking = [this, i] {
      if (servers_[i].checker) servers_[i].checker->start();
    };
    if (config.health) {
      server.checker = std::make_unique<HealthChecker>(
          needs_.loop, *config.health,
          [this, i](HealthChecker::Done done) { return probe(i, std::move(done)); }, needs_.random,
          [this, i](const CheckResult& result) { checked(i, result); });
    }
    // By a worker of the configuration before.
    if (const auto end = upstream_->ejected_until(i, needs_.loop.now())) await_return(i, *end);
    if (!config.servers[i].name) {
      start_checking();
      continue;
    }
    server.name = std::make_unique<NameWatch>(
        needs_.loop, *upstream_, i,
        [this](const std::string& host, std::uint16_t port, net::Resolver::Done done) {
          return needs_.resolver.resolve(host, port, std::move(done));
        },
        needs_.random, needs_.log,
        [on_name, start_checking] {
          on_name();
          start_checking();
        });
    server.name->start();
  }
}

// ---- Checks

std::unique_ptr<Probe> UpstreamCare::probe(std::size_t index, HealthChecker::Done done) {
  Server& server = servers_[index];
  const Addresses::List addresses = upstream_->addresses().all()[index];
  if (addresses->empty()) return std::make_unique<NoProbe>(needs_.loop, std::move(done));
  const unsigned version = upstream_->tls_version();
  const config::Server& to = config_of(index);
  if (to.https && (!server.peer || server.tls_version != version)) {
    server.peer = std::make_shared<net::TlsPeer>(upstream_->tls(), to.tls_name);
    server.tls_version = version;
  }
  return start_probe(needs_.loop,
                     {.upstream = upstream_->config(),
                      .server = to,
                      .address = (*addresses)[server.address_turn % addresses->size()],
                      .peer = server.peer},
                     std::move(done));
}

void UpstreamCare::checked(std::size_t server, const CheckResult& result) {
  if (result.verdict == CheckResult::Verdict::not_made) return;
  const bool passed = result.verdict == CheckResult::Verdict::passed;
  // A name with an address that does not answer and one that does is up, as for requests.
  if (!passed) ++servers_[server].address_turn;
  if (!upstream_->checked(server, passed, needs_.loop.now())) return;
  const config::Upstream& config = upstream_->config();
  if (passed) {
    needs_.log.info("upstream={} server={} is up: it passes its checks", config.name, config_of(server).url);
  } else {
    needs_.log.warn("upstream={} server={} is down: it fails its checks: {}", config.name,
                    config_of(server).url, result.reason);
  }
}

// ---- Ejections

void UpstreamCare::ejected(std::size_t server, const Outliers::Ejection& ejection, const std::string& why) {
  const config::Upstream& config = upstream_->config();
  needs_.log.warn("upstream={} server={} is ejected for {}: {} failures in a row, the last one: {}",
                  config.name, config_of(server).url, format_duration(ejection.length),
                  config.outlier->failures, why);
  await_return(server, ejection.end);
}

void UpstreamCare::await_return(std::size_t server, MonoTime end) {
  auto& timer = servers_[server].ejection_end;
  if (!timer) timer = needs_.loop.make_timer([this, server] { back_from_ejection(server); });
  timer->set(end);
}

void UpstreamCare::back_from_ejection(std::size_t server) {
  const MonoTime now = needs_.loop.now();
  if (upstream_->is_ejected(server, now)) return;  // again
  upstream_->came_up(server, now);
  needs_.log.info("upstream={} server={} gets requests again: its ejection has ended",
                  upstream_->config().name, config_of(server).url);
}

}  // namespace hangup::upstream
