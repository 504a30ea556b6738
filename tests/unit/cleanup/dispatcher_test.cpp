#include "cleanup/dispatcher.h"

#include "cleanup/ledger.h"
#include "support/capturing_sink.h"
#include "support/fake_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;
using testing::Contains, testing::ElementsAre, testing::HasSubstr, testing::IsEmpty,
    testing::UnorderedElementsAre;

// Holds attempts until the test ends them.
class FakeSender final : public Sender {
 public:
  struct Attempt {
    std::string id;
    std::string timestamp;
    Done done;
  };

  void send(const Delivery& delivery, Done done) override {
    std::string timestamp;
    for (const auto& [name, value] : delivery.headers) {
      if (name == "webhook-timestamp") timestamp = value;
    }
    ++sent;
    under_way.push_back({delivery.id, timestamp, std::move(done)});
  }
  // Ends the attempt that was begun first.
  void answer(AttemptResult result) {
    auto attempt = std::move(under_way.front());
    under_way.erase(under_way.begin());
    attempt.done(std::move(result));
  }
  void answer(int status) { answer({.status = status, .retry_after = {}, .error = {}}); }
  std::vector<std::string> ids() const {
    std::vector<std::string> all;
    for (const auto& attempt : under_way) all.push_back(attempt.id);
    return all;
  }

  std::vector<Attempt> under_way;
  int sent = 0;
};

class DispatcherTest : public testing::Test {
 protected:
  void add(std::string id, std::string url = "http://receiver/x") {
    Delivery delivery;
    delivery.id = std::move(id);
    delivery.url = std::move(url);
    delivery.headers = {{"webhook-timestamp", "0"}};
    delivery.retry = {.max_attempts = 3, .backoff_base = 100ms, .backoff_max = 10s};
    give(std::move(delivery));
  }
  void give(Delivery delivery, unsigned attempts = 0, Duration wait = {}) {
    if (ledger.admit(delivery, 1000)) dispatcher.add(std::move(delivery), attempts, wait);
  }
  // One that was made just now.
  Delivery fresh(std::string id, std::string url = "http://receiver/x") const {
    Delivery delivery;
    delivery.id = std::move(id);
    delivery.url = std::move(url);
    delivery.retry = {.max_attempts = 100, .backoff_base = 100ms, .backoff_max = 10s};
    delivery.created = scheduler.wall();
    return delivery;
  }
  // The last line of the access log.
  nlohmann::json last_line() const { return nlohmann::json::parse(access.messages().back()); }
  std::vector<std::string> pending() const {
    std::vector<std::string> ids;
    for (const Delivery* delivery : dispatcher.pending()) ids.push_back(delivery->id);
    return ids;
  }

  test::FakeScheduler scheduler;
  test::CapturingLogger access;
  test::CapturingLogger log;
  Ledger ledger{scheduler, access.logger, log.logger};
  FakeSender sender;
  Dispatcher dispatcher{
      scheduler, sender, ledger, {.per_receiver = 2, .total = 3}, [](std::uint64_t max) { return max; }};
};

TEST_F(DispatcherTest, SendsAtOnceAndForgetsWhatIsAcknowledged) {
  add("a");
  EXPECT_THAT(sender.ids(), ElementsAre("a"));
  EXPECT_THAT(pending(), ElementsAre("a"));
  sender.answer(200);
  EXPECT_THAT(pending(), IsEmpty());
  EXPECT_EQ(ledger.counts().delivered, 1U);
  EXPECT_EQ(scheduler.timers(), 0U);
}

TEST_F(DispatcherTest, TriesAgainAfterTheBackoffAndNotBefore) {
  add("a");
  sender.answer(503);
  scheduler.advance(99ms);
  EXPECT_THAT(sender.ids(), IsEmpty());
  scheduler.advance(1ms);
  EXPECT_THAT(sender.ids(), ElementsAre("a"));
  sender.answer({.status = 0, .retry_after = {}, .error = "connect: Connection refused"});
  scheduler.advance(199ms);
  EXPECT_THAT(sender.ids(), IsEmpty());
  scheduler.advance(1ms);
  sender.answer(201);
  EXPECT_EQ(ledger.counts().delivered, 1U);
  EXPECT_EQ(ledger.counts().attempts, 3U);
}

TEST_F(DispatcherTest, WaitsAtLeastAsLongAsTheReceiverAsks) {
  add("a");
  sender.answer({.status = 429, .retry_after = 30s, .error = {}});
  scheduler.advance(30s);
  EXPECT_THAT(sender.ids(), IsEmpty());
  scheduler.advance(100ms);
  EXPECT_THAT(sender.ids(), ElementsAre("a"));
}

TEST_F(DispatcherTest, GivesUpAfterTheLastAttempt) {
  add("a");
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(sender.ids(), ElementsAre("a"));
    sender.answer(500);
    scheduler.advance(10s);
  }
  EXPECT_EQ(sender.sent, 3);
  EXPECT_EQ(ledger.counts().dead, 1U);
  EXPECT_THAT(pending(), IsEmpty());
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("reason=\"given up: status 500\"")));
}

// As when all descriptors are in use.
TEST_F(DispatcherTest, AnAttemptThatThisMachineCouldNotMakeCountsNeitherForTheDeliveryNorForItsReceiver) {
  add("a");
  for (unsigned i = 0; i < 2 * Breaker::failures_to_open; ++i) {
    ASSERT_THAT(sender.ids(), ElementsAre("a")) << i;
    sender.answer({.status = 0, .retry_after = {}, .error = "cannot create a socket", .ours = true});
    EXPECT_THAT(sender.ids(), IsEmpty());
    scheduler.advance(1s);
  }
  EXPECT_EQ(ledger.counts().attempts, 0U);
  EXPECT_EQ(last_line()["attempt"], 1);
  add("b");
  EXPECT_THAT(sender.ids(), ElementsAre("a", "b"));  // no breaker has opened
  sender.answer(200);
  sender.answer(200);
  EXPECT_EQ(ledger.counts().delivered, 2U);
  EXPECT_EQ(ledger.counts().attempts, 2U);
}

TEST_F(DispatcherTest, AFinalStatusIsADeadLetterAtOnce) {
  add("a");
  sender.answer(410);
  scheduler.advance(1h);
  EXPECT_EQ(sender.sent, 1);
  EXPECT_EQ(ledger.counts().dead, 1U);
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("reason=\"status 410 is final\"")));
}

TEST_F(DispatcherTest, ARedirectIsTriedAgainAndNotFollowed) {
  add("a");
  sender.answer(302);
  scheduler.advance(100ms);
  EXPECT_THAT(sender.ids(), ElementsAre("a"));
}

TEST_F(DispatcherTest, EachAttemptCarriesItsOwnTimestampAndTheSameId) {
  add("a");
  EXPECT_EQ(sender.under_way.at(0).timestamp, "1767323045");
  sender.answer({.status = 503, .retry_after = 60s, .error = {}});
  scheduler.advance(61s);
  ASSERT_THAT(sender.ids(), ElementsAre("a"));
  EXPECT_EQ(sender.under_way.at(0).timestamp, "1767323105");
}

TEST_F(DispatcherTest, EachAttemptIsOneLine) {
  add("a");
  scheduler.advance(5ms);
  sender.answer(503);
  scheduler.advance(100ms);
  sender.answer(200);
  ASSERT_EQ(access.messages().size(), 2U);
  const auto first = nlohmann::json::parse(access.messages()[0]);
  EXPECT_EQ(first.at("attempt"), 1);
  EXPECT_EQ(first.at("duration_ms"), 5.0);
  EXPECT_EQ(first.at("retry_in_ms"), 100);
  const auto second = nlohmann::json::parse(access.messages()[1]);
  EXPECT_EQ(second.at("attempt"), 2);
  EXPECT_EQ(second.at("result"), "delivered");
}

TEST_F(DispatcherTest, ADeadReceiverStopsNoOther) {
  for (const char* id : {"a1", "a2", "a3", "a4"}) add(id, "http://dead/");
  add("b1", "http://alive/");
  EXPECT_THAT(sender.ids(), ElementsAre("a1", "a2", "b1"));
}

TEST_F(DispatcherTest, TheNextOfAReceiverStartsWhenOneEnds) {
  for (const char* id : {"a", "b", "c"}) add(id);
  EXPECT_THAT(sender.ids(), ElementsAre("a", "b"));
  sender.answer(503);
  EXPECT_THAT(sender.ids(), ElementsAre("b", "c"));
  scheduler.advance(100ms);  // `a` is ready again, but must wait
  EXPECT_THAT(sender.ids(), ElementsAre("b", "c"));
  sender.answer(200);
  EXPECT_THAT(sender.ids(), ElementsAre("c", "a"));
}

TEST_F(DispatcherTest, OverallBoundIsSharedInTurn) {
  for (const char* id : {"a1", "a2"}) add(id, "http://a/");
  add("b1", "http://b/");
  for (const char* id : {"c1", "c2"}) add(id, "http://c/");
  add("d1", "http://d/");
  add("a3", "http://a/");
  EXPECT_THAT(sender.ids(), ElementsAre("a1", "a2", "b1"));
  sender.answer(200);
  EXPECT_THAT(sender.ids(), ElementsAre("a2", "b1", "c1"));
  sender.answer(200);
  EXPECT_THAT(sender.ids(), ElementsAre("b1", "c1", "d1"));
  for (int i = 0; i < 5; ++i) sender.answer(200);
  EXPECT_THAT(pending(), IsEmpty());
  EXPECT_EQ(ledger.counts().delivered, 7U);
}

TEST_F(DispatcherTest, NothingIsForgottenInAStorm) {
  for (int i = 0; i < 400; ++i) add("m" + std::to_string(i), "http://r" + std::to_string(i % 7) + "/");
  int answers = 0;
  while (!dispatcher.pending().empty()) {
    ASSERT_LE(sender.under_way.size(), 3U);
    if (sender.under_way.empty())
      scheduler.advance(50ms);
    else
      sender.answer(++answers % 3 == 0 ? 503 : answers % 11 == 0 ? 404 : 200);
  }
  EXPECT_EQ(ledger.counts().pending(), 0U);
  EXPECT_EQ(ledger.counts().attempts, static_cast<std::uint64_t>(answers));
  EXPECT_TRUE(ledger.wait_settled(0s));
}

TEST_F(DispatcherTest, WhatIsPendingIsListedWhereverItStands) {
  for (const char* id : {"waiting", "under_way_1", "under_way_2", "ready"}) add(id);
  sender.answer(503);
  EXPECT_THAT(sender.ids(), ElementsAre("under_way_1", "under_way_2"));
  EXPECT_THAT(pending(), UnorderedElementsAre("waiting", "under_way_1", "under_way_2", "ready"));
}

TEST_F(DispatcherTest, ADeliveryThatNamesNoReceiverIsADeadLetter) {
  add("a", "ftp://x/");
  EXPECT_EQ(sender.sent, 0);
  EXPECT_EQ(ledger.counts().dead, 1U);
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_F(DispatcherTest, AnOkStatusAcknowledges) {
  Delivery delivery = fresh("a");
  delivery.ok_status = {404};
  give(std::move(delivery));
  sender.answer(404);
  EXPECT_EQ(ledger.counts().delivered, 1U);
}

TEST_F(DispatcherTest, WhatTheSenderCantEverSendIsADeadLetterAtOnce) {
  add("a");
  sender.answer({.status = 0, .retry_after = {}, .error = "no key", .hopeless = true});
  EXPECT_EQ(ledger.counts().dead, 1U);
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("reason=\"no key\"")));
}

TEST_F(DispatcherTest, AnUrlThatCantBeCalledIsADeadLetterAtOnce) {
  give(fresh("a", "ftp://receiver/"));
  EXPECT_EQ(ledger.counts().dead, 1U);
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_F(DispatcherTest, CountsTheAttemptsOfAnEarlierLife) {
  Delivery delivery = fresh("a");
  delivery.retry.max_attempts = 3;
  give(std::move(delivery), 2, 5s);
  scheduler.advance(4999ms);
  EXPECT_THAT(sender.ids(), IsEmpty());
  scheduler.advance(1ms);
  sender.answer(500);
  EXPECT_EQ(last_line().at("attempt"), 3);
  EXPECT_EQ(last_line().at("result"), "dead");
}

TEST_F(DispatcherTest, TheFirstAttemptWaitsForItsDelay) {
  Delivery delivery = fresh("a");
  delivery.delay = 2s;
  delivery.created -= 500ms;
  give(std::move(delivery));
  scheduler.advance(1499ms);
  EXPECT_THAT(sender.ids(), IsEmpty());
  scheduler.advance(1ms);
  EXPECT_THAT(sender.ids(), ElementsAre("a"));
}

TEST_F(DispatcherTest, AfterAnAttemptTheDelayIsOver) {
  Delivery delivery = fresh("a");
  delivery.delay = 2s;
  give(std::move(delivery), 1);
  EXPECT_THAT(sender.ids(), ElementsAre("a"));
}

TEST_F(DispatcherTest, ExpiresWhileItWaitsForItsNextAttempt) {
  Delivery delivery = fresh("a");
  delivery.expire_after = 60s;
  give(std::move(delivery));
  sender.answer({.status = 503, .retry_after = 3600s, .error = {}});
  scheduler.advance(60s - 1ns);
  EXPECT_EQ(ledger.counts().dead, 0U);
  scheduler.advance(1ns);
  EXPECT_EQ(ledger.counts().dead, 1U);
  EXPECT_EQ(last_line().at("result"), "dead");
  EXPECT_EQ(last_line().at("error"), "expired");
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("reason=\"expired\"")));
  EXPECT_THAT(pending(), IsEmpty());
  EXPECT_EQ(scheduler.timers(), 0U);
}

TEST_F(DispatcherTest, ExpiresWhileItWaitsForItsBound) {
  for (const char* id : {"a", "b"}) give(fresh(id));
  Delivery delivery = fresh("c");
  delivery.expire_after = 1s;
  give(std::move(delivery));
  scheduler.advance(1s);
  EXPECT_THAT(pending(), ElementsAre("a", "b"));
  sender.answer(200);
  EXPECT_EQ(sender.sent, 2);
}

TEST_F(DispatcherTest, ExpiresWhileItWaitsForItsTurn) {
  give(fresh("first"));
  Delivery second = fresh("second");
  second.turn = 1;
  second.expire_after = 1s;
  give(std::move(second));
  scheduler.advance(1s);
  EXPECT_EQ(last_line().at("error"), "expired");
  EXPECT_THAT(pending(), ElementsAre("first"));
}

TEST_F(DispatcherTest, ExpiresWhileItWaitsForItsDelay) {
  Delivery delivery = fresh("a");
  delivery.delay = 2s;
  delivery.expire_after = 1s;
  give(std::move(delivery));
  scheduler.advance(1s);
  EXPECT_EQ(last_line().at("error"), "expired");
  EXPECT_EQ(sender.sent, 0);
}

TEST_F(DispatcherTest, AnAttemptUnderWayAtItsExpiryMayEndWell) {
  Delivery delivery = fresh("a");
  delivery.expire_after = 1s;
  give(std::move(delivery));
  scheduler.advance(2s);
  sender.answer(200);
  EXPECT_EQ(ledger.counts().delivered, 1U);
}

TEST_F(DispatcherTest, AnAttemptUnderWayAtItsExpiryIsTheLast) {
  Delivery delivery = fresh("a");
  delivery.expire_after = 1s;
  give(std::move(delivery));
  scheduler.advance(2s);
  sender.answer({.status = 0, .retry_after = {}, .error = "timed out"});
  EXPECT_EQ(ledger.counts().dead, 1U);
  EXPECT_EQ(last_line().at("error"), "expired");
  EXPECT_EQ(last_line().at("attempt"), 1);
}

TEST_F(DispatcherTest, OneThatExpiresAfterAnAttemptWasNotNeverTried) {
  Delivery delivery = fresh("a");
  delivery.expire_after = 1s;
  give(delivery);
  sender.answer({.status = 503, .retry_after = 3600s, .error = {}});
  scheduler.advance(1s);
  EXPECT_EQ(last_line().at("result"), "dead");
  EXPECT_EQ(last_line().at("attempt"), 1);
  EXPECT_THAT(log.messages(), Contains(HasSubstr("attempts=1")));
}

TEST_F(DispatcherTest, OneThatHasExpiredBeforeIsNeverSent) {
  Delivery delivery = fresh("a");
  delivery.created -= 61s;
  delivery.expire_after = 60s;
  give(std::move(delivery));
  EXPECT_EQ(sender.sent, 0);
  EXPECT_EQ(last_line().at("error"), "expired");
}

TEST_F(DispatcherTest, WhatWasMadeInTheFutureWasMadeNow) {
  Delivery delivery = fresh("a");
  delivery.created += std::chrono::hours(24 * 365);
  delivery.delay = 1s;
  delivery.expire_after = 60s;
  give(std::move(delivery));
  scheduler.advance(1s);
  ASSERT_THAT(sender.ids(), ElementsAre("a"));
  sender.answer({.status = 503, .retry_after = 1h, .error = {}});
  scheduler.advance(59s);
  EXPECT_EQ(ledger.counts().dead, 1U);
}

TEST_F(DispatcherTest, TimesAtTheEndOfTheClockAreTimes) {
  Delivery old = fresh("old");
  old.created = WallTime::min();
  old.expire_after = 60s;
  give(std::move(old));
  EXPECT_EQ(ledger.counts().dead, 1U);
  Delivery lasting = fresh("lasting");
  lasting.created = WallTime::max();
  lasting.expire_after = Duration::max();
  lasting.retry.backoff_base = lasting.retry.backoff_max = Duration::max();
  give(std::move(lasting));
  sender.answer({.status = 503, .retry_after = Duration::max(), .error = {}});
  Delivery late = fresh("late");
  late.delay = Duration::max();
  give(std::move(late));
  scheduler.advance(24h);
  EXPECT_EQ(sender.sent, 1);
  EXPECT_THAT(pending(), ElementsAre("lasting", "late"));
}

TEST_F(DispatcherTest, ATurnWaitsUntilAllOfLowerTurnsHaveEnded) {
  const auto give_turn = [&](const char* id, unsigned turn) {
    Delivery delivery = fresh(id, std::string("http://") + id + "/");
    delivery.turn = turn;
    delivery.request_id = "req-1";
    give(std::move(delivery));
  };
  give_turn("a", 0);
  give_turn("b1", 1);
  give_turn("b2", 1);
  give_turn("c", 3);
  EXPECT_THAT(sender.ids(), ElementsAre("a"));
  sender.answer(503);
  scheduler.advance(50ms);
  EXPECT_THAT(sender.ids(), IsEmpty());
  scheduler.advance(50ms);
  sender.answer(410);  // a dead one has ended too
  EXPECT_THAT(sender.ids(), ElementsAre("b1", "b2"));
  sender.answer(200);
  EXPECT_THAT(sender.ids(), ElementsAre("b2"));
  sender.answer(200);
  EXPECT_THAT(sender.ids(), ElementsAre("c"));
  sender.answer(200);
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_F(DispatcherTest, OneExchangeWaitsForNoOther) {
  Delivery first = fresh("a");
  first.request_id = "req-1";
  give(std::move(first));
  Delivery second = fresh("b");
  second.request_id = "req-2";
  second.turn = 7;
  give(std::move(second));
  EXPECT_THAT(sender.ids(), ElementsAre("a", "b"));
}

TEST_F(DispatcherTest, AForgottenDeliveryIsNotTriedAgainAndNothingIsSaidOfIt) {
  for (const char* id : {"a", "b", "ready"}) give(fresh(id));
  sender.answer(503);  // `a` waits, `ready` is under way
  give(fresh("queued"));
  const auto lines = access.messages().size();
  EXPECT_TRUE(dispatcher.forget("a"));
  EXPECT_TRUE(dispatcher.forget("queued"));
  EXPECT_FALSE(dispatcher.forget("a"));
  EXPECT_FALSE(dispatcher.forget("never seen"));
  scheduler.advance(1h);
  EXPECT_THAT(sender.ids(), ElementsAre("b", "ready"));
  EXPECT_EQ(access.messages().size(), lines);
}

TEST_F(DispatcherTest, AForgottenDeliveryIsReportedOnceWhenItsAttemptEnds) {
  give(fresh("a"));
  give(fresh("b"));
  EXPECT_TRUE(dispatcher.forget("a"));
  EXPECT_TRUE(dispatcher.forget("b"));
  EXPECT_FALSE(dispatcher.forget("a"));
  EXPECT_THAT(pending(), IsEmpty());
  sender.answer(503);
  EXPECT_EQ(last_line().at("result"), "dead");
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("reason=\"dropped by an operator\"")));
  sender.answer(200);
  EXPECT_EQ(last_line().at("result"), "delivered");
  scheduler.advance(1h);
  EXPECT_EQ(sender.sent, 2);
}

TEST_F(DispatcherTest, ForgettingOneLetsTheNextTurnGo) {
  Delivery first = fresh("first");
  first.delay = 1h;
  give(std::move(first));
  Delivery second = fresh("second");
  second.turn = 1;
  give(std::move(second));
  EXPECT_TRUE(dispatcher.forget("first"));
  EXPECT_THAT(sender.ids(), ElementsAre("second"));
}

TEST_F(DispatcherTest, AnOperatorsRetryEndsAPause) {
  give(fresh("a"));
  sender.answer({.status = 503, .retry_after = 1h, .error = {}});
  dispatcher.retry_now("a");
  dispatcher.retry_now("a");  // it is under way
  dispatcher.retry_now("never seen");
  EXPECT_THAT(sender.ids(), ElementsAre("a"));
  sender.answer(200);
  EXPECT_EQ(ledger.counts().delivered, 1U);
}

// The breaker of a receiver that is down.
class DispatcherOfADeadReceiver : public DispatcherTest {
 protected:
  // Makes it fail until its breaker is open; what failed waits at it.
  void open() {
    for (const char* id : {"a", "b", "c"}) {
      Delivery delivery = fresh(id);
      delivery.expire_after = 100s;
      give(std::move(delivery));
    }
    for (unsigned i = 0; i < Breaker::failures_to_open; ++i) {
      if (sender.under_way.empty()) scheduler.advance(200ms);
      ASSERT_FALSE(sender.under_way.empty());
      sender.answer(503);
    }
    while (!sender.under_way.empty()) sender.answer(503);
    opened = sender.sent;
  }
  int opened = 0;
};

TEST_F(DispatcherOfADeadReceiver, UsesUpNoAttemptsWhileItIsOpenAndThenOneProbeAtATime) {
  open();
  scheduler.advance(300ms);
  EXPECT_EQ(sender.sent, opened);
  scheduler.advance(1s);
  EXPECT_EQ(sender.sent, opened + 1);
  scheduler.advance(1h - 1s);
  EXPECT_EQ(sender.sent, opened + 1);
}

TEST_F(DispatcherOfADeadReceiver, IsAskedEveryTenSecondsAtMost) {
  open();
  int probes = 0;
  for (int tenths = 0; tenths < 900; ++tenths) {
    scheduler.advance(100ms);
    ASSERT_LE(sender.under_way.size(), 1U);
    if (sender.under_way.empty()) continue;
    sender.answer({.status = 0, .retry_after = {}, .error = "connect: Connection refused"});
    ++probes;
  }
  EXPECT_GE(probes, 9);
  EXPECT_LE(probes, 15);
}

TEST_F(DispatcherOfADeadReceiver, ItsDeliveriesExpireAtTheOpenBreaker) {
  open();
  for (int tenths = 0; tenths < 1000; ++tenths) {
    scheduler.advance(100ms);
    if (!sender.under_way.empty()) sender.answer(503);
  }
  EXPECT_EQ(ledger.counts().dead, 3U);
  EXPECT_EQ(last_line().at("error"), "expired");
}

TEST_F(DispatcherOfADeadReceiver, GetsEverythingWhenItComesBack) {
  open();
  for (int i = 0; i < 100; ++i) give(fresh("m" + std::to_string(i)));
  scheduler.advance(10s);
  ASSERT_EQ(sender.under_way.size(), 1U);
  sender.answer(200);
  EXPECT_EQ(sender.under_way.size(), 2U);  // the bound of these tests
  while (!sender.under_way.empty()) sender.answer(200);
  EXPECT_EQ(ledger.counts().delivered, 103U);
}

TEST_F(DispatcherOfADeadReceiver, DelaysNoOther) {
  open();
  give(fresh("other", "http://alive/"));
  EXPECT_THAT(sender.ids(), ElementsAre("other"));
}

TEST_F(DispatcherOfADeadReceiver, IsRememberedWhenNothingIsPendingForIt) {
  open();
  for (const char* id : {"a", "b", "c"}) dispatcher.forget(id);
  give(fresh("next"));
  EXPECT_THAT(sender.ids(), IsEmpty());
  scheduler.advance(10s);
  EXPECT_THAT(sender.ids(), ElementsAre("next"));
}

TEST_F(DispatcherOfADeadReceiver, IsProbedAtOnceWhenAnOperatorSaysSo) {
  open();
  scheduler.advance(300ms);
  dispatcher.retry_now("c");
  EXPECT_THAT(sender.ids(), ElementsAre("c"));
}

TEST_F(DispatcherTest, ManyPendingDeliveriesCostNoMoreThanTheirNumber) {
  // With a cost that grows with the square this takes hours; the test's time limit tells.
  constexpr int many = 100'000;
  for (int i = 0; i < many; ++i) {
    Delivery delivery = fresh("m" + std::to_string(i), i % 2 == 0 ? "http://dead/" : "http://alive/");
    delivery.request_id = "req-" + std::to_string(i / 2);
    delivery.turn = static_cast<unsigned>(i % 2);
    delivery.expire_after = 60s;
    dispatcher.add(std::move(delivery));
  }
  for (int i = 0; i < many; i += 4) EXPECT_TRUE(dispatcher.forget("m" + std::to_string(i)));
  scheduler.advance(60s);
  while (!sender.under_way.empty()) sender.answer(200);
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_F(DispatcherTest, ManyReceiversComeAndGo) {
  for (int i = 0; i < 10'000; ++i) {
    give(fresh("m", "http://r" + std::to_string(i) + "/"));
    sender.answer(i % 2 == 0 ? 200 : 404);
  }
  EXPECT_EQ(ledger.counts().delivered, 5'000U);
  EXPECT_EQ(ledger.counts().dead, 5'000U);
}

}  // namespace
}  // namespace hangup::cleanup
