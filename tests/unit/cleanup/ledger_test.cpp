#include "cleanup/ledger.h"

#include "support/capturing_sink.h"
#include "support/fake_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;
using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::Not;

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() {
    delivery.id = "msg_1";
    delivery.cleanup = "stop-report";
    delivery.request_id = "req-1";
    delivery.method = "DELETE";
    delivery.url = "http://127.0.0.1:9000/jobs/7?token=s3cret";
    delivery.headers = {{"Authorization", "Bearer s3cret"}};
    delivery.body = "s3cret";
    attempt.start = scheduler.wall() + 67ms;
    attempt.number = 2;
    attempt.duration = 1'234'567ns;
  }

  test::FakeScheduler scheduler;
  test::CapturingLogger access;
  test::CapturingLogger log;
  Ledger ledger{scheduler, access.logger, log.logger};
  Delivery delivery;
  AttemptRecord attempt;
};

TEST_F(LedgerTest, OneLineForAnAcknowledgedAttempt) {
  attempt.result.status = 204;
  ledger.delivered(delivery, attempt);
  EXPECT_THAT(
      access.messages(),
      ElementsAre(R"({"time":"2026-01-02T03:04:05.067Z","type":"cleanup","webhook_id":"msg_1",)"
                  R"("request_id":"req-1","cleanup":"stop-report","attempt":2,"method":"DELETE",)"
                  R"("url":"http://127.0.0.1:9000/jobs/7","status":204,"error":null,"duration_ms":1.234,)"
                  R"("result":"delivered","retry_in_ms":null})"
                  "\n"));
  EXPECT_THAT(log.messages(), IsEmpty());
}

TEST_F(LedgerTest, ARetrySaysWhen) {
  attempt.result.error = "connect: Connection refused";
  ledger.will_retry(delivery, attempt, 1500ms);
  const Json line = Json::parse(access.messages().at(0));
  EXPECT_EQ(line.at("result"), "retry");
  EXPECT_EQ(line.at("status"), 0);
  EXPECT_EQ(line.at("error"), "connect: Connection refused");
  EXPECT_EQ(line.at("retry_in_ms"), 1500);
}

TEST_F(LedgerTest, ADeadLetterIsAWarningForPeopleToo) {
  attempt.result.status = 410;
  ledger.dead(delivery, attempt, "status 410 is final", 0);
  EXPECT_EQ(Json::parse(access.messages().at(0)).at("result"), "dead");
  EXPECT_THAT(log.messages(),
              ElementsAre("dead letter webhook_id=msg_1 request_id=req-1 cleanup=stop-report attempts=2 "
                          "url=http://127.0.0.1:9000/jobs/7 reason=\"status 410 is final\""));
}

TEST_F(LedgerTest, NeverSaysAHeaderABodyOrAQuery) {
  ledger.delivered(delivery, attempt);
  ledger.will_retry(delivery, attempt, 1s);
  ledger.dead(delivery, attempt, "given up", 0);
  ledger.dead(delivery, std::nullopt, "full", 0);
  ledger.lost({&delivery});
  for (const auto& message : access.messages()) EXPECT_THAT(message, Not(HasSubstr("s3cret")));
  for (const auto& message : log.messages()) EXPECT_THAT(message, Not(HasSubstr("s3cret")));
}

TEST_F(LedgerTest, LinesAreValidWhateverTheBytes) {
  for (int byte = 0; byte < 256; ++byte) {
    delivery.request_id = delivery.cleanup = delivery.method = delivery.id =
        std::string("\"\xf0") + static_cast<char>(byte);
    attempt.result.error = delivery.id;
    ledger.will_retry(delivery, attempt, 1s);
    const std::string line = access.messages().back();
    EXPECT_TRUE(Json::accept(line)) << line;
    EXPECT_EQ(line.find('\n'), line.size() - 1);
  }
}

TEST_F(LedgerTest, AdmitsUpToItsCapacityAndBuriesTheRest) {
  EXPECT_TRUE(ledger.admit(delivery, 1));
  EXPECT_FALSE(ledger.admit(delivery, 1));
  EXPECT_EQ(ledger.counts().pending(), 1U);
  EXPECT_EQ(ledger.counts().dead, 1U);
  EXPECT_EQ(ledger.counts().attempts, 0U);
  const Json line = Json::parse(access.messages().at(0));
  EXPECT_EQ(line.at("attempt"), 0);
  EXPECT_EQ(line.at("error"), "the outbox is full with 1 deliveries");
  ledger.delivered(delivery, attempt);
  EXPECT_TRUE(ledger.admit(delivery, 1));
}

TEST_F(LedgerTest, SettlesWhenNothingIsPending) {
  EXPECT_TRUE(ledger.wait_settled(0s));
  ledger.admit(delivery, 10);
  EXPECT_FALSE(ledger.wait_settled(0s));
  ledger.will_retry(delivery, attempt, 1s);
  EXPECT_FALSE(ledger.wait_settled(0s));
  ledger.dead(delivery, attempt, "given up", 0);
  EXPECT_TRUE(ledger.wait_settled(0s));
  EXPECT_EQ(ledger.counts().attempts, 2U);
}

TEST_F(LedgerTest, NamesEachLostDelivery) {
  const std::vector<Delivery> deliveries = [] {
    std::vector<Delivery> all(250);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].id = "m" + std::to_string(i) + ".";
    return all;
  }();
  std::vector<const Delivery*> lost;
  for (const auto& each : deliveries) lost.push_back(&each);
  ledger.lost(lost);
  std::string text;
  for (const auto& message : log.messages()) text += message;
  for (const auto& each : deliveries) EXPECT_THAT(text, HasSubstr(each.id));
  EXPECT_EQ(log.messages().size(), 3U);
}

TEST_F(LedgerTest, WorksWithoutAnAccessLog) {
  Ledger quiet(scheduler, nullptr, log.logger);
  quiet.delivered(delivery, attempt);
  quiet.dead(delivery, attempt, "given up", 0);
  EXPECT_EQ(log.messages().size(), 1U);
}

}  // namespace
}  // namespace hangup::cleanup
