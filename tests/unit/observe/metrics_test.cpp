// What a worker counts of its exchanges.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include <hangup/observe/metrics.h>

namespace hangup::observe {
namespace {

using std::chrono::microseconds, std::chrono::milliseconds;

AccessRecord ended_record(Outcome outcome, Phase phase = Phase::streaming_response) {
  AccessRecord record;
  record.outcome = outcome;
  record.phase = phase;
  record.duration = milliseconds(3);
  return record;
}

std::uint64_t count_of(const RouteCounts& route, Outcome outcome) {
  return route.outcomes[static_cast<std::size_t>(outcome)].value();
}

TEST(WorkerMetrics, CountEachExchangeOnceByItsOutcome) {
  WorkerMetrics metrics;
  RouteCounts& route = metrics.route("a");
  metrics.began();
  metrics.began();
  EXPECT_EQ(metrics.in_flight(), 2U);
  metrics.ended(route, ended_record(Outcome::completed));
  metrics.ended(route, ended_record(Outcome::deadline));
  EXPECT_EQ(metrics.in_flight(), 0U);
  EXPECT_EQ(count_of(route, Outcome::completed), 1U);
  EXPECT_EQ(count_of(route, Outcome::deadline), 1U);
  EXPECT_EQ(route.durations.bucket(1), 2U);
}

TEST(WorkerMetrics, CountThePhaseOnlyOfClientsThatHaveGone) {
  WorkerMetrics metrics;
  RouteCounts& route = metrics.route("a");
  metrics.ended_unbegun(route, ended_record(Outcome::completed, Phase::awaiting_response));
  metrics.ended_unbegun(route, ended_record(Outcome::client_gone, Phase::queued));
  EXPECT_EQ(route.client_gone[static_cast<std::size_t>(Phase::queued)].value(), 1U);
  EXPECT_EQ(route.client_gone[static_cast<std::size_t>(Phase::awaiting_response)].value(), 0U);
  EXPECT_EQ(metrics.in_flight(), 0U);
}

TEST(WorkerMetrics, MeasureWhatWasAborted) {
  WorkerMetrics metrics;
  RouteCounts& route = metrics.route("a");
  AccessRecord record = ended_record(Outcome::client_gone);
  metrics.ended_unbegun(route, record);  // nothing was sent upstream
  EXPECT_EQ(route.aborted_after.seconds(), 0);
  record.abort = microseconds(70);
  metrics.ended_unbegun(route, record);
  EXPECT_EQ(metrics.abort_latency().bucket(1), 1U);
  EXPECT_NEAR(route.aborted_after.seconds(), 0.003, 1e-9);
}

TEST(WorkerMetrics, ARouteThatIsAskedForAgainCountsOn) {
  WorkerMetrics metrics;
  metrics.ended_unbegun(metrics.route("a"), ended_record(Outcome::completed));
  EXPECT_EQ(&metrics.route("a"), &metrics.route("a"));
  EXPECT_NE(&metrics.route("a"), &metrics.route("b"));
  std::vector<std::string> names;
  metrics.for_each_route([&](const std::string& name, const RouteCounts&) { names.push_back(name); });
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(count_of(metrics.route("a"), Outcome::completed), 1U);
}

TEST(WorkerMetrics, SkippedCleanupsAreCountedByReason) {
  WorkerMetrics metrics;
  metrics.skips("stop").add(Skip::no_value);
  EXPECT_EQ(metrics.skips("stop").of(Skip::no_value), 1U);
  EXPECT_EQ(metrics.skips("stop").of(Skip::nothing_sent), 0U);
  EXPECT_EQ(metrics.skips("other").of(Skip::no_value), 0U);
}

}  // namespace
}  // namespace hangup::observe
