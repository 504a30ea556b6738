#include "admin/families.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <hangup/base/clock.h>

namespace hangup::admin {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;
using prometheus::MetricType;

// A family while it is filled.
class Family {
 public:
  Family(MetricType type, std::string name, std::string help) {
    family_.type = type;
    family_.name = std::move(name);
    family_.help = std::move(help);
  }
  void add(Labels labels, double value) {
    prometheus::ClientMetric& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  }
  template <typename Number>
  void add(Labels labels, Number value) {
    add(std::move(labels), static_cast<double>(value));
  }
  void add(Labels labels, prometheus::ClientMetric::Histogram histogram) {
    prometheus::ClientMetric& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    metric.histogram = std::move(histogram);
  }
  prometheus::MetricFamily take() { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
};

Family counter(std::string name, std::string help) {
  return {MetricType::Counter, std::move(name), std::move(help)};
}
Family gauge(std::string name, std::string help) {
  return {MetricType::Gauge, std::move(name), std::move(help)};
}
Family histogram(std::string name, std::string help) {
  return {MetricType::Histogram, std::move(name), std::move(help)};
}

// The counts of several threads together. With two of them, what is counted meanwhile may be in one number
// and not in the other; each alone only grows.
template <const auto& Bounds>
class Sum {
 public:
  void add(const DurationCounts<Bounds>& counts) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += counts.bucket(i);
    seconds_ += counts.seconds();
  }
  prometheus::ClientMetric::Histogram histogram() const {
    prometheus::ClientMetric::Histogram made;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      made.sample_count += counts_[i];
      made.bucket.push_back({made.sample_count, i < Bounds.size()
                                                    ? std::chrono::duration<double>(Bounds[i]).count()
                                                    : std::numeric_limits<double>::infinity()});
    }
    made.sample_sum = seconds_;
    return made;
  }

 private:
  std::array<std::uint64_t, DurationCounts<Bounds>::buckets> counts_{};
  double seconds_ = 0;
};
using ReactionSum = Sum<observe::bounds::reaction>;
using ExchangeSum = Sum<observe::bounds::exchange>;

// ---- Exchanges, and what else workers count

struct RouteSum {
  std::array<std::uint64_t, outcome_names.size()> outcomes{};
  std::array<std::uint64_t, phase_names.size()> client_gone{};
  ExchangeSum durations, aborted_after;
};
struct WorkerSum {
  std::uint64_t in_flight = 0;
  ReactionSum abort_latency, loop_lag;
  std::map<std::string, RouteSum> routes;
  std::map<std::string, std::array<std::uint64_t, observe::skip_names.size()>> skips;
};

WorkerSum add_up(const observe::Metrics& metrics) {
  WorkerSum sum;
  metrics.for_each([&](const observe::WorkerMetrics& worker) {
    sum.in_flight += worker.in_flight();
    sum.abort_latency.add(worker.abort_latency());
    sum.loop_lag.add(worker.loop_lag());
    worker.for_each_route([&](const std::string& name, const observe::RouteCounts& counts) {
      RouteSum& route = sum.routes[name];
      for (std::size_t i = 0; i < route.outcomes.size(); ++i) route.outcomes[i] += counts.outcomes[i].value();
      for (std::size_t i = 0; i < route.client_gone.size(); ++i)
        route.client_gone[i] += counts.client_gone[i].value();
      route.durations.add(counts.durations);
      route.aborted_after.add(counts.aborted_after);
    });
    worker.for_each_skip([&](const std::string& name, const observe::SkipCounts& counts) {
      auto& skips = sum.skips[name];
      for (std::size_t i = 0; i < skips.size(); ++i) skips[i] += counts.of(static_cast<observe::Skip>(i));
    });
  });
  return sum;
}

void add_exchanges(std::vector<prometheus::MetricFamily>& families, const WorkerSum& sum) {
  Family exchanges = counter("hangup_exchanges_total", "Exchanges that have ended, by route and outcome.");
  Family gone = counter("hangup_client_gone_total",
                        "Exchanges whose client disconnected, by the phase that it left in.");
  Family durations = histogram("hangup_exchange_duration_seconds",
                               "From the first byte of the request to the end of the exchange.");
  Family aborted = histogram("hangup_abort_after_seconds",
                             "How long exchanges had been in flight when a disconnect aborted their work.");
  for (const auto& [route, counts] : sum.routes) {
    for (std::size_t i = 0; i < counts.outcomes.size(); ++i)
      exchanges.add({{"route", route}, {"outcome", std::string(outcome_names[i])}}, counts.outcomes[i]);
    for (std::size_t i = 0; i < counts.client_gone.size(); ++i)
      gone.add({{"route", route}, {"phase", std::string(phase_names[i])}}, counts.client_gone[i]);
    durations.add({{"route", route}}, counts.durations.histogram());
    aborted.add({{"route", route}}, counts.aborted_after.histogram());
  }
  Family in_flight = gauge("hangup_exchanges_in_flight", "Exchanges under way.");
  in_flight.add({}, sum.in_flight);
  Family latency = histogram("hangup_abort_latency_seconds",
                             "From the sign of a disconnect to the upstream's connection being closed.");
  latency.add({}, sum.abort_latency.histogram());
  Family lag =
      histogram("hangup_loop_lag_seconds",
                "How late the workers' event loops come to what is due, sampled four times a second.");
  lag.add({}, sum.loop_lag.histogram());
  for (Family* family : {&exchanges, &gone, &durations, &in_flight, &latency, &aborted, &lag})
    families.push_back(family->take());
}

// ---- Cleanups

void add_cleanups(std::vector<prometheus::MetricFamily>& families, const Sources& sources,
                  const WorkerSum& sum) {
  struct Of {
    Family family;
    std::uint64_t cleanup::CleanupCounts::* count;
  };
  using Counts = cleanup::CleanupCounts;
  std::array<Of, 5> all = {
      {{counter("hangup_cleanups_owed_total", "Deliveries of cleanups that went to the outbox."),
        &Counts::owed},
       {counter("hangup_cleanups_delivered_total", "Deliveries that were acknowledged."), &Counts::delivered},
       {counter("hangup_cleanups_retried_total", "Failed attempts that another one follows."),
        &Counts::retried},
       {counter("hangup_cleanups_dead_total", "Deliveries given up, expired ones among them."),
        &Counts::dead},
       {counter("hangup_cleanups_expired_total", "Deliveries given up for being too late."),
        &Counts::expired}}};
  Family skipped =
      counter("hangup_cleanups_skipped_total", "Cleanups that an outcome calls for and that were not owed.");
  // Those of an earlier configuration, or of an earlier process, may have deliveries on their way.
  auto counts = sources.outbox.counts_by_cleanup();
  for (const auto& cleanup : sources.running()->config->cleanups) counts.try_emplace(cleanup->name);
  for (const auto& [name, own] : counts) {
    for (Of& of : all) of.family.add({{"cleanup", name}}, own.*of.count);
    const auto skips = sum.skips.find(name);
    if (skips == sum.skips.end()) continue;  // no route calls it
    for (std::size_t i = 0; i < skips->second.size(); ++i)
      skipped.add({{"cleanup", name}, {"reason", std::string(observe::skip_names[i])}}, skips->second[i]);
  }
  for (Of& of : all) families.push_back(of.family.take());
  families.push_back(skipped.take());
}

void add_outbox(std::vector<prometheus::MetricFamily>& families, const Sources& sources,
                std::optional<std::uint64_t> dead_letters) {
  Family pending = gauge("hangup_outbox_pending", "Deliveries that are neither acknowledged nor given up.");
  pending.add({}, sources.outbox.counts().pending());
  Family oldest = gauge("hangup_outbox_oldest_seconds", "Age of the oldest of them; 0 without any.");
  const auto since = sources.outbox.oldest_pending();
  const auto age = since ? SystemClock().wall() - *since : Duration::zero();
  oldest.add({}, std::max(0.0, std::chrono::duration<double>(age).count()));
  Family trouble = gauge("hangup_outbox_trouble", "1 while the outbox can't be written, else 0.");
  trouble.add({}, sources.outbox.trouble().empty() ? 0 : 1);
  for (Family* family : {&pending, &oldest, &trouble}) families.push_back(family->take());
  if (!dead_letters) return;
  Family dead = gauge("hangup_outbox_dead_letters", "Dead letters that wait for an operator.");
  dead.add({}, *dead_letters);
  families.push_back(dead.take());
}

// ---- Upstreams

void add_servers(std::vector<prometheus::MetricFamily>& families,
                 const std::vector<std::pair<std::string, upstream::UpstreamState>>& upstreams) {
  Family up = gauge("hangup_server_up",
                    "1 unless connecting to the server, its checks or its answers say that it is down.");
  Family connections = gauge("hangup_server_connections", "Open connections to the server, by what they do.");
  Family requests = gauge("hangup_server_requests_in_flight", "Requests that the server works on.");
  Family connects = counter("hangup_server_connects_total", "Attempts to connect to the server, by result.");
  Family checks = counter("hangup_server_checks_total", "Health checks of the server, by result.");
  Family ejected = gauge("hangup_server_ejected", "1 while the server is ejected for failing requests.");
  Family ejections =
      counter("hangup_server_ejections_total", "Ejections of the server for failing requests.");
  Family lookups = counter("hangup_server_lookups_total", "Lookups of the server's name, by result.");
  Family addresses = gauge("hangup_server_addresses", "Addresses that the server's name was looked up to.");
  for (const auto& [name, state] : upstreams) {
    for (const upstream::ServerState& server : state.servers) {
      const Labels labels = {{"upstream", name}, {"server", server.url}};
      const auto with = [&](std::string key, std::string value) {
        Labels more = labels;
        more.push_back({std::move(key), std::move(value)});
        return more;
      };
      up.add(labels, server.up ? 1 : 0);
      connections.add(with("state", "busy"), server.connections - std::min(server.connections, server.idle));
      connections.add(with("state", "idle"), server.idle);
      requests.add(labels, server.requests);
      connects.add(with("result", "connected"), server.connected);
      connects.add(with("result", "failed"), server.unreachable);
      checks.add(with("result", "passed"), server.checks_passed);
      checks.add(with("result", "failed"), server.checks_failed);
      ejected.add(labels, server.ejected ? 1 : 0);
      ejections.add(labels, server.ejections);
      lookups.add(with("result", "found"), server.names_found);
      lookups.add(with("result", "not_found"), server.names_not_found);
      addresses.add(labels, server.addresses);
    }
  }
  for (Family* family :
       {&up, &connections, &requests, &connects, &checks, &ejected, &ejections, &lookups, &addresses})
    families.push_back(family->take());
}

void add_upstreams(std::vector<prometheus::MetricFamily>& families, const Sources& sources) {
  std::vector<std::pair<std::string, upstream::UpstreamState>> upstreams;
  const auto running = sources.running();
  for (std::size_t i = 0; i < running->upstreams.size(); ++i)
    upstreams.emplace_back(running->config->upstreams[i]->name, upstream::state_of(*running->upstreams[i]));
  Family queued = gauge("hangup_upstream_queue_length", "Requests that wait for a connection.");
  Family requests = counter("hangup_upstream_requests_total",
                            "Requests that got a connection, by whether one was made for them or reused.");
  Family retries = counter("hangup_upstream_retries_total",
                           "Requests that went on to another server, by what the one before did.");
  Family over_budget = counter("hangup_upstream_retries_over_budget_total",
                               "Requests that the budget kept from going on to another server.");
  for (const auto& [name, state] : upstreams) {
    for (std::size_t i = 0; i < state.retries.size(); ++i)
      retries.add({{"upstream", name}, {"cause", std::string(upstream::retry_cause_names[i])}},
                  state.retries[i]);
    over_budget.add({{"upstream", name}}, state.retries_over_budget);
    queued.add({{"upstream", name}}, state.queued);
    requests.add({{"upstream", name}, {"connection", "new"}}, state.requests_on_new);
    requests.add({{"upstream", name}, {"connection", "reused"}}, state.requests_on_reused);
  }
  for (Family* family : {&queued, &requests, &retries, &over_budget}) families.push_back(family->take());
  add_servers(families, upstreams);
}

// ---- Clients' connections, the log

void add_connections(std::vector<prometheus::MetricFamily>& families, const Sources& sources) {
  Family open = gauge("hangup_connections_open", "Connections of clients, by listener.");
  Family accepted = counter("hangup_connections_accepted_total", "Connections accepted, by listener.");
  Family refused = counter("hangup_connections_refused_total",
                           "Connections that were closed again before they could carry a request.");
  const auto running = sources.running();
  for (const auto& [name, listener] : running->listeners) {
    std::uint64_t all = 0;
    std::uint64_t full = 0;
    std::uint64_t client = 0;
    std::uint64_t arrival = 0;
    listener->counts.for_each([&](const downstream::ConnectionCounts& counts) {
      all += counts.accepted.value();
      full += counts.refused_full.value();
      client += counts.refused_client.value();
      arrival += counts.refused_arrival.value();
    });
    open.add({{"listener", name}}, listener->limits.open());
    accepted.add({{"listener", name}}, all);
    refused.add({{"listener", name}, {"reason", "connections"}}, full);
    refused.add({{"listener", name}, {"reason", "connections_per_client"}}, client);
    refused.add({{"listener", name}, {"reason", "handshake"}}, arrival);
  }
  for (Family* family : {&open, &accepted, &refused}) families.push_back(family->take());
}

void add_access_log(std::vector<prometheus::MetricFamily>& families, const Sources& sources) {
  Family dropped =
      counter("hangup_access_log_dropped_total",
              "Lines of the access log that were dropped: it took them too slowly, or not at all.");
  dropped.add({}, sources.loggers.access_lines_dropped->load(std::memory_order_relaxed));
  families.push_back(dropped.take());
}

}  // namespace

std::vector<prometheus::MetricFamily> collect(const Sources& sources,
                                              std::optional<std::uint64_t> dead_letters) {
  std::vector<prometheus::MetricFamily> families;
  const WorkerSum sum = add_up(sources.metrics);
  add_exchanges(families, sum);
  add_cleanups(families, sources, sum);
  add_outbox(families, sources, dead_letters);
  add_upstreams(families, sources);
  add_connections(families, sources);
  add_access_log(families, sources);
  return families;
}

}  // namespace hangup::admin
