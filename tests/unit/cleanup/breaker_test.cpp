#include "cleanup/breaker.h"

#include <gtest/gtest.h>

#include <vector>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;
using State = Breaker::State;
using Sign = Breaker::Sign;

class BreakerTest : public testing::Test {
 protected:
  // One attempt from its start to its end.
  std::optional<MonoTime> attempt(Sign sign) { return breaker.end(breaker.start(), sign, now, random); }
  MonoTime open() {
    std::optional<MonoTime> until;
    for (unsigned i = 0; i < Breaker::failures_to_open; ++i) until = attempt(Sign::failing);
    return until.value();
  }
  void pass_pause(MonoTime until) {
    now = until;
    breaker.pause_over(now);
  }

  const Random random = [](std::uint64_t max) { return max; };
  MonoTime now{1h};
  Breaker breaker{8};
};

TEST_F(BreakerTest, OpensAfterFailuresInARowAndThenAdmitsNothing) {
  for (unsigned i = 1; i < Breaker::failures_to_open; ++i) EXPECT_EQ(attempt(Sign::failing), std::nullopt);
  EXPECT_EQ(breaker.state(), State::closed);
  EXPECT_EQ(attempt(Sign::failing), now + 500ms);
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_FALSE(breaker.admits());
}

TEST_F(BreakerTest, ASuccessBetweenFailuresKeepsItClosed) {
  for (int i = 0; i < 100; ++i) attempt(i % 4 == 3 ? Sign::alive : Sign::failing);
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST_F(BreakerTest, WhatSaysNothingOfTheReceiverCountsNeitherWay) {
  for (int i = 0; i < 100; ++i) attempt(Sign::nothing);
  EXPECT_EQ(breaker.state(), State::closed);
  pass_pause(open());
  attempt(Sign::nothing);
  EXPECT_EQ(breaker.state(), State::probing);
  EXPECT_TRUE(breaker.admits());
}

TEST_F(BreakerTest, LetsOneProbeThroughWhenItsPauseIsOver) {
  const MonoTime until = open();
  breaker.pause_over(until - 1ns);
  EXPECT_EQ(breaker.state(), State::open);
  pass_pause(until);
  EXPECT_TRUE(breaker.admits());
  breaker.start();
  EXPECT_FALSE(breaker.admits());
}

TEST_F(BreakerTest, PausesGrowUpToTheirMaximum) {
  MonoTime until = open();
  std::vector<Duration> pauses;
  for (int i = 0; i < 40; ++i) {
    pauses.push_back(until - now);
    pass_pause(until);
    until = attempt(Sign::failing).value();
  }
  EXPECT_EQ(std::vector(pauses.begin(), pauses.begin() + 6),
            (std::vector<Duration>{500ms, 1s, 2s, 4s, 8s, 10s}));
  EXPECT_EQ(pauses.back(), 10s);
}

TEST_F(BreakerTest, HalfOfAPauseIsJitter) {
  std::optional<MonoTime> until;
  for (unsigned i = 0; i < Breaker::failures_to_open; ++i) {
    until = breaker.end(breaker.start(), Sign::failing, now, [](std::uint64_t) { return 0U; });
  }
  EXPECT_EQ(until, now + 250ms);
}

TEST_F(BreakerTest, RampsUpByDoublingWithSuccesses) {
  pass_pause(open());
  std::vector<std::size_t> limits;
  while (breaker.state() != State::closed) {
    limits.push_back(breaker.limit());
    attempt(Sign::alive);
  }
  EXPECT_EQ(limits, (std::vector<std::size_t>{1, 2, 2, 4, 4, 4, 4}));
  EXPECT_EQ(breaker.limit(), 8U);
}

TEST_F(BreakerTest, AFailureWhileRampingHalvesAndSeveralInARowOpen) {
  pass_pause(open());
  for (int i = 0; i < 3; ++i) attempt(Sign::alive);
  EXPECT_EQ(breaker.limit(), 4U);
  EXPECT_EQ(attempt(Sign::failing), std::nullopt);
  EXPECT_EQ(breaker.limit(), 2U);
  for (unsigned i = 2; i < Breaker::failures_to_open; ++i) EXPECT_EQ(attempt(Sign::failing), std::nullopt);
  EXPECT_EQ(breaker.limit(), 1U);
  EXPECT_EQ(attempt(Sign::failing), now + 1s);  // longer than the first pause: it was never closed
}

TEST_F(BreakerTest, AfterRecoveryPausesBeginSmallAgain) {
  pass_pause(open());
  pass_pause(attempt(Sign::failing).value());
  while (breaker.state() != State::closed) attempt(Sign::alive);
  EXPECT_EQ(open(), now + 500ms);
}

TEST_F(BreakerTest, WhatBeganBeforeItOpenedIsNoNewsOfAFailure) {
  const auto before = breaker.start();
  pass_pause(open());
  const auto probe = breaker.start();
  EXPECT_EQ(breaker.end(before, Sign::failing, now, random), std::nullopt);
  EXPECT_EQ(breaker.state(), State::probing);
  EXPECT_FALSE(breaker.admits());
  EXPECT_EQ(breaker.end(probe, Sign::alive, now, random), std::nullopt);
  EXPECT_EQ(breaker.state(), State::ramping);
}

TEST_F(BreakerTest, ALateSuccessEndsThePause) {
  const auto before = breaker.start();
  const MonoTime until = open();
  breaker.end(before, Sign::alive, now, random);
  EXPECT_EQ(breaker.state(), State::ramping);
  breaker.pause_over(until);
  EXPECT_EQ(breaker.state(), State::ramping);
}

TEST_F(BreakerTest, ABoundOfOneClosesWithTheProbe) {
  breaker = Breaker(1);
  pass_pause(open());
  attempt(Sign::alive);
  EXPECT_EQ(breaker.state(), State::closed);
}

}  // namespace
}  // namespace hangup::cleanup
