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
using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::UnorderedElementsAre;

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
    if (ledger.admit(delivery, 1000)) dispatcher.add(std::move(delivery));
  }
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

}  // namespace
}  // namespace hangup::cleanup
