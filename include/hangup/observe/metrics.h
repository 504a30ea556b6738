// What the workers count of their exchanges, for whoever wants to know how the process fares. Nothing here
// knows how metrics are published.
//
// Each worker has counters of its own, which it alone writes: an exchange costs a few increments and no lock.
// They are found by name once, when a worker learns of its routes, and stay for the life of the process, so
// that a route keeps counting on when its configuration is read anew.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <hangup/base/counts.h>
#include <hangup/base/outcome.h>
#include <hangup/observe/access_log.h>

namespace hangup::observe {

namespace bounds {
using std::chrono::microseconds, std::chrono::milliseconds, std::chrono::seconds;
// From what a fast machine needs to what a slow disk or a stuck loop makes of it.
inline constexpr std::array<Duration, 14> reaction = {
    microseconds(50),   microseconds(100), microseconds(250), microseconds(500), milliseconds(1),
    microseconds(2500), milliseconds(5),   milliseconds(10),  milliseconds(25),  milliseconds(50),
    milliseconds(100),  milliseconds(250), milliseconds(500), seconds(1)};
// From a cached answer to a report that takes a quarter of an hour.
inline constexpr std::array<Duration, 15> exchange = {
    milliseconds(1),   milliseconds(5),   milliseconds(10),  milliseconds(25), milliseconds(50),
    milliseconds(100), milliseconds(250), milliseconds(500), seconds(1),       milliseconds(2500),
    seconds(5),        seconds(10),       seconds(30),       seconds(120),     seconds(600)};
}  // namespace bounds

using ReactionTimes = DurationCounts<bounds::reaction>;
using ExchangeTimes = DurationCounts<bounds::exchange>;

// Exchanges of one route, by one worker.
struct RouteCounts {
  std::array<Count, outcome_names.size()> outcomes;
  std::array<Count, phase_names.size()> client_gone;  // by the phase that the client left in
  ExchangeTimes durations;
  ExchangeTimes aborted_after;  // from the start to the abort of the upstream's work
};

// Why a cleanup that an outcome calls for was not owed.
enum class Skip : std::uint8_t { nothing_sent, finished_within_grace, no_value };
inline constexpr std::array<std::string_view, 3> skip_names = {"nothing_sent", "finished_within_grace",
                                                               "no_value"};
class SkipCounts {
 public:
  void add(Skip why) { counts_[static_cast<std::size_t>(why)].add(); }
  std::uint64_t of(Skip why) const { return counts_[static_cast<std::size_t>(why)].value(); }

 private:
  std::array<Count, skip_names.size()> counts_;
};

// Threading: counted in by one worker's thread; read by any.
class WorkerMetrics {
 public:
  // Of the route, or cleanup, of that name, which are made when first asked for. "" is for what matched no
  // route. They stay. Takes a lock: not for the way of a request.
  RouteCounts& route(std::string_view name);
  SkipCounts& skips(std::string_view cleanup);

  void began() { began_.add(); }
  // What the access log is told of an exchange, which began(); and of one that never did.
  void ended(RouteCounts& route, const AccessRecord& record);
  void ended_unbegun(RouteCounts& route, const AccessRecord& record);
  // How much later than it should have the loop came to something.
  void late_by(Duration lag) { loop_lag_.add(lag); }

  std::uint64_t in_flight() const;
  const ReactionTimes& abort_latency() const { return abort_latency_; }
  const ReactionTimes& loop_lag() const { return loop_lag_; }
  void for_each_route(const std::function<void(const std::string&, const RouteCounts&)>& visit) const;
  void for_each_skip(const std::function<void(const std::string&, const SkipCounts&)>& visit) const;

 private:
  // Not beside another worker's.
  struct alignas(128) Route : RouteCounts {};
  struct alignas(128) Skips : SkipCounts {};

  Count began_;
  Count ended_;
  ReactionTimes abort_latency_;  // from the sign of the disconnect to the upstream's connection closed
  ReactionTimes loop_lag_;
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Route>, std::less<>> routes_;  // these are guarded by mutex_
  std::map<std::string, std::unique_ptr<Skips>, std::less<>> skips_;
};

// The process's: one for each worker.
using Metrics = PerThread<WorkerMetrics>;

}  // namespace hangup::observe
