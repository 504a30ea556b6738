#include <algorithm>

#include <hangup/observe/metrics.h>

namespace hangup::observe {
namespace {

template <typename Named>
auto& find_or_make(Named& named, std::string_view name) {
  auto found = named.find(name);
  if (found == named.end()) {
    using Value = typename Named::mapped_type::element_type;
    found = named.emplace(name, std::make_unique<Value>()).first;
  }
  return *found->second;
}

}  // namespace

RouteCounts& WorkerMetrics::route(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  return find_or_make(routes_, name);
}

SkipCounts& WorkerMetrics::skips(std::string_view cleanup) {
  const std::scoped_lock lock(mutex_);
  return find_or_make(skips_, cleanup);
}

void WorkerMetrics::ended_unbegun(RouteCounts& route, const AccessRecord& record) {
  route.outcomes[static_cast<std::size_t>(record.outcome)].add();
  route.durations.add(record.duration);
  if (record.outcome == Outcome::client_gone) route.client_gone[static_cast<std::size_t>(record.phase)].add();
  if (!record.abort) return;
  abort_latency_.add(*record.abort);
  route.aborted_after.add(record.duration);
}

void WorkerMetrics::ended(RouteCounts& route, const AccessRecord& record) {
  ended_unbegun(route, record);
  ended_.add();
}

std::uint64_t WorkerMetrics::in_flight() const {
  const std::uint64_t ended = ended_.value();
  return std::max(began_.value(), ended) - ended;
}

void WorkerMetrics::for_each_route(
    const std::function<void(const std::string&, const RouteCounts&)>& visit) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, counts] : routes_) visit(name, *counts);
}

void WorkerMetrics::for_each_skip(
    const std::function<void(const std::string&, const SkipCounts&)>& visit) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, counts] : skips_) visit(name, *counts);
}

}  // namespace hangup::observe
