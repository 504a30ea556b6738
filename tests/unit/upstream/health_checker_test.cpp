#include "upstream/health_checker.h"

#include "support/fake_scheduler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <vector>

namespace hangup::upstream {
namespace {

using namespace std::chrono_literals;
using Verdict = CheckResult::Verdict;

class HealthCheckerTest : public testing::Test {
 protected:
  HealthCheckerTest() {
    config.interval = 10s;
    config.timeout = 2s;
  }
  struct FakeProbe final : Probe {
    explicit FakeProbe(int& alive) : alive_(alive) { ++alive_; }
    ~FakeProbe() override { --alive_; }
    int& alive_;
  };
  HealthChecker& make() {
    return checker.emplace(
        scheduler, config,
        [this](HealthChecker::Done ask) {
          started.push_back(scheduler.now());
          done = std::move(ask);
          return std::make_unique<FakeProbe>(probes);
        },
        [this] { return random; }, [this](CheckResult result) { results.push_back(std::move(result)); });
  }
  void pass() { done({.verdict = Verdict::passed, .reason = {}}); }
  Duration since_first() const { return started.back() - started.front(); }

  test::FakeScheduler scheduler;
  config::HealthCheck config;
  double random = 0.5;
  int probes = 0;
  std::vector<MonoTime> started;
  HealthChecker::Done done;
  std::vector<CheckResult> results;
  std::optional<HealthChecker> checker;
};

TEST_F(HealthCheckerTest, ChecksAtOnceAndThenAtEveryInterval) {
  make().start();
  ASSERT_EQ(started.size(), 1U);
  pass();
  scheduler.advance(5s);  // the first wait is anything up to the interval
  ASSERT_EQ(started.size(), 2U);
  pass();
  scheduler.advance(10s - 1ms);
  EXPECT_EQ(started.size(), 2U);
  scheduler.advance(1ms);
  EXPECT_EQ(started.size(), 3U);
  EXPECT_EQ(results.size(), 2U);
}

TEST_F(HealthCheckerTest, KeepsTheIntervalFromStartToStartGiveOrTakeATenth) {
  random = 0;
  make().start();
  pass();
  scheduler.advance(0s);
  ASSERT_EQ(started.size(), 2U);
  scheduler.advance(1s);
  pass();
  scheduler.advance(8s - 1ms);
  EXPECT_EQ(started.size(), 2U);
  random = 1;
  scheduler.advance(1ms);
  ASSERT_EQ(started.size(), 3U);
  pass();
  scheduler.advance(11s - 1ms);
  EXPECT_EQ(started.size(), 3U);
  scheduler.advance(1ms);
  EXPECT_EQ(started.size(), 4U);
}

TEST_F(HealthCheckerTest, FailsACheckThatTakesTooLongAndDropsIt) {
  make().start();
  scheduler.advance(2s - 1ms);
  EXPECT_TRUE(results.empty());
  scheduler.advance(1ms);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].verdict, Verdict::failed);
  EXPECT_EQ(results[0].reason, "no answer within 2s");
  EXPECT_EQ(probes, 0);
}

TEST_F(HealthCheckerTest, HasOneCheckUnderWayWhenTheTimeoutIsLongerThanTheInterval) {
  config.interval = 1s;
  config.timeout = 5s;
  make().start();
  scheduler.advance(5s - 1ms);
  EXPECT_EQ(started.size(), 1U);
  scheduler.advance(1ms);
  EXPECT_EQ(started.size(), 2U);
  EXPECT_EQ(results.size(), 1U);
}

TEST_F(HealthCheckerTest, LeavesAProbeThatHasItsAnswerUntilTheNextCheck) {
  make().start();
  pass();
  EXPECT_EQ(probes, 1);
  pass();  // once is enough
  EXPECT_EQ(results.size(), 1U);
  scheduler.advance(5s);
  EXPECT_EQ(started.size(), 2U);
  EXPECT_EQ(probes, 1);
}

TEST_F(HealthCheckerTest, ChecksNoMoreWhenItIsGone) {
  make().start();
  checker.reset();
  EXPECT_EQ(probes, 0);
  EXPECT_EQ(scheduler.timers(), 0U);
}

}  // namespace
}  // namespace hangup::upstream
