#include "scripted_receiver.h"
#include "support/capturing_sink.h"
#include "support/mock_upstream.h"
#include "support/socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;
using test::ScriptedReceiver;
using testing::Contains, testing::ElementsAre, testing::HasSubstr, testing::Not, testing::StartsWith;
using Request = ScriptedReceiver::Request;

// The real outbox against a real socket.
class MemoryOutboxTest : public testing::Test {
 protected:
  static constexpr auto patience = 30s;

  static Delivery delivery_to(const std::string& url, std::string id = "msg_1") {
    Delivery delivery;
    delivery.id = std::move(id);
    delivery.cleanup = "stop-report";
    delivery.request_id = "req-1";
    delivery.method = "POST";
    delivery.url = url;
    delivery.headers = {
        {"Content-Type", "application/json"}, {"webhook-id", delivery.id}, {"webhook-timestamp", "0"}};
    delivery.body = R"({"a":1})";
    delivery.timeout = 10s;
    delivery.retry = {.max_attempts = 3, .backoff_base = 1ms, .backoff_max = 5ms};
    return delivery;
  }
  static std::shared_ptr<const Credentials> no_credentials() { return load_credentials({}).value(); }
  static ScriptedReceiver::Script always(ScriptedReceiver::Reply reply) {
    return [reply = std::move(reply)](int, const Request&) { return reply; };
  }
  nlohmann::json line(std::size_t number) const {
    return nlohmann::json::parse(access.messages().at(number));
  }

  test::CapturingLogger access;
  test::CapturingLogger log;
  std::unique_ptr<MemoryOutbox> outbox =
      std::make_unique<MemoryOutbox>(MemoryOutbox::Options{}, no_credentials(), access.logger, log.logger);
};

TEST_F(MemoryOutboxTest, SendsTheRequestAsItIs) {
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("204 No Content")));
  outbox->add({delivery_to(receiver.url("/jobs/7?x=1"))});
  ASSERT_TRUE(outbox->drain(patience));
  ASSERT_EQ(receiver.requests().size(), 1U);
  const Request request = receiver.requests().at(0);
  EXPECT_THAT(request.head, StartsWith("POST /jobs/7?x=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request.head, HasSubstr("\r\nHost: 127.0.0.1:" + std::to_string(receiver.port()) + "\r\n"));
  EXPECT_THAT(request.head, HasSubstr("\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(request.head, HasSubstr("\r\nwebhook-id: msg_1\r\n"));
  EXPECT_THAT(request.head, Not(HasSubstr("\r\nwebhook-timestamp: 0\r\n")));
  EXPECT_THAT(request.head, HasSubstr("\r\nContent-Length: 7\r\n"));
  EXPECT_EQ(request.body, R"({"a":1})");
  EXPECT_EQ(outbox->counts().delivered, 1U);
  EXPECT_EQ(line(0).at("result"), "delivered");
}

TEST_F(MemoryOutboxTest, ADeleteWithoutABodyHasNoFraming) {
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("200 OK")));
  Delivery delivery = delivery_to(receiver.url());
  delivery.method = "DELETE";
  delivery.body.clear();
  outbox->add({std::move(delivery)});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_THAT(receiver.requests().at(0).head, Not(HasSubstr("Content-Length")));
}

TEST_F(MemoryOutboxTest, ABigBodyArrivesWhole) {
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("200 OK")));
  Delivery delivery = delivery_to(receiver.url());
  delivery.body.assign(8'000'000, 'x');
  outbox->add({delivery});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(receiver.requests().at(0).body, delivery.body);
}

TEST_F(MemoryOutboxTest, RetriesUnderOneIdUntilAcknowledged) {
  ScriptedReceiver receiver([](int number, const Request&) {
    return ScriptedReceiver::respond(number == 0 ? "503 Busy" : number == 1 ? "429 Slow Down" : "200 OK");
  });
  outbox->add({delivery_to(receiver.url())});
  ASSERT_TRUE(outbox->drain(patience));
  ASSERT_EQ(receiver.requests().size(), 3U);
  for (const Request& request : receiver.requests())
    EXPECT_THAT(request.head, HasSubstr("webhook-id: msg_1\r\n"));
  EXPECT_EQ(outbox->counts().attempts, 3U);
  EXPECT_EQ(outbox->counts().delivered, 1U);
}

TEST_F(MemoryOutboxTest, RetryAfterIsRespected) {
  ScriptedReceiver receiver([](int number, const Request&) {
    return number == 0 ? ScriptedReceiver::respond("503 Busy", "Retry-After: 1\r\n")
                       : ScriptedReceiver::respond("200 OK");
  });
  outbox->add({delivery_to(receiver.url())});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_GE(line(0).at("retry_in_ms"), 1000);
  EXPECT_EQ(receiver.requests().size(), 2U);
}

TEST_F(MemoryOutboxTest, RedirectsAreNotFollowed) {
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("302 Found", "Location: /elsewhere\r\n")));
  outbox->add({delivery_to(receiver.url("/here"))});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(receiver.requests().size(), 3U);
  for (const Request& request : receiver.requests()) EXPECT_THAT(request.head, StartsWith("POST /here "));
  EXPECT_EQ(outbox->counts().dead, 1U);
}

TEST_F(MemoryOutboxTest, AFinalStatusIsADeadLetter) {
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("404 Not Found")));
  outbox->add({delivery_to(receiver.url())});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(receiver.requests().size(), 1U);
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("status 404 is final")));
}

TEST_F(MemoryOutboxTest, AReceiverThatComesUpLateIsReached) {
  std::optional<test::RefusingPort> nobody(std::in_place);
  Delivery delivery = delivery_to(nobody->url() + "/");
  delivery.retry.max_attempts = 1'000'000;
  outbox->add({delivery});
  while (outbox->counts().attempts == 0) std::this_thread::yield();
  const std::uint16_t port = nobody->where().port();
  nobody.reset();
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("200 OK")), port);
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(outbox->counts().delivered, 1U);
  EXPECT_EQ(line(0).at("error"), "connect: Connection refused");
}

TEST_F(MemoryOutboxTest, AConnectionServesOneDeliveryAfterAnother) {
  ScriptedReceiver receiver(
      always({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"}));
  for (int i = 0; i < 3; ++i) {
    outbox->add({delivery_to(receiver.url())});
    ASSERT_TRUE(outbox->drain(patience));
  }
  for (const Request& request : receiver.requests()) EXPECT_EQ(request.connection, 0);
}

TEST_F(MemoryOutboxTest, AKeptConnectionThatWasClosedCostsNoAttempt) {
  ScriptedReceiver receiver(always(ScriptedReceiver::close("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")));
  for (int i = 0; i < 20; ++i) {
    outbox->add({delivery_to(receiver.url())});
    ASSERT_TRUE(outbox->drain(patience));
  }
  EXPECT_EQ(outbox->counts().attempts, 20U);
  EXPECT_EQ(outbox->counts().delivered, 20U);
}

TEST_F(MemoryOutboxTest, AConnectionThatTheReceiverWantsToCloseIsNotKept) {
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("200 OK", "Connection: close\r\n")));
  for (int i = 0; i < 2; ++i) {
    outbox->add({delivery_to(receiver.url())});
    ASSERT_TRUE(outbox->drain(patience));
  }
  EXPECT_EQ(receiver.requests().at(1).connection, 1);
}

TEST_F(MemoryOutboxTest, WhatIsNoResponseIsTriedAgain) {
  ScriptedReceiver receiver([](int number, const Request&) -> ScriptedReceiver::Reply {
    if (number == 0) return ScriptedReceiver::close();
    if (number == 1) return ScriptedReceiver::close("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    return ScriptedReceiver::respond("200 OK");
  });
  outbox->add({delivery_to(receiver.url())});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(outbox->counts().delivered, 1U);
  EXPECT_EQ(line(0).at("error"), "the receiver closed the connection without an answer");
  EXPECT_THAT(line(1).at("error").get<std::string>(), StartsWith("invalid response: "));
}

TEST_F(MemoryOutboxTest, InterimResponsesAreNoAnswer) {
  ScriptedReceiver receiver(
      always({"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 202 "
              "Accepted\r\nContent-Length: 0\r\n\r\n"}));
  outbox->add({delivery_to(receiver.url())});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(line(0).at("status"), 202);
}

// Byte by byte, each later than the last, the answer never becomes whole: the attempt's time is all it gets.
TEST_F(MemoryOutboxTest, AnAnswerThatDripsEndsWithTheTimeOfItsAttempt) {
  test::MockUpstream receiver({.may_be_malformed = true});
  receiver.otherwise(test::MockUpstream::Handler([](const test::RequestRecord& request) {
    return request.index == 0 ? test::Script().send("HTTP/1.1 2") : test::respond(204);
  }));
  Delivery delivery = delivery_to(receiver.url() + "/stop");
  delivery.timeout = 1s;
  outbox->add({delivery});
  const auto first = receiver.wait_for_request("/stop");
  for (const char* drip : {"0", "0", " "}) receiver.send(first, drip);
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(line(0).at("result"), "retry");
  EXPECT_EQ(line(0).at("status"), 0);
  EXPECT_THAT(line(0).at("error").get<std::string>(), HasSubstr("timed out"));
  EXPECT_EQ(line(1).at("result"), "delivered");
}

TEST_F(MemoryOutboxTest, ABodyThatDripsChangesNothingAboutItsStatus) {
  test::MockUpstream receiver;
  receiver.otherwise(
      test::Script().after_body().send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome"));
  Delivery delivery = delivery_to(receiver.url() + "/stop");
  delivery.timeout = 1s;
  outbox->add({delivery});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(line(0).at("result"), "delivered");
  EXPECT_EQ(line(0).at("status"), 200);
}

TEST_F(MemoryOutboxTest, AnAnswerOfAHundredMegabytesIsNotRead) {
  test::MockUpstream receiver;
  receiver.otherwise(test::Script()
                         .after_body()
                         .send("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
                         .send_times(std::string(64 * 1024, 'x'), 1600));
  outbox->add({delivery_to(receiver.url() + "/stop")});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(line(0).at("result"), "delivered");
  receiver.wait_for_closes(1);
  EXPECT_LT(receiver.connections().at(0).sent, 32U * 1024 * 1024);  // what the kernels hold
}

TEST_F(MemoryOutboxTest, AResetIsTriedAgain) {
  test::MockUpstream receiver;
  receiver.otherwise(test::in_turn({test::Script().after_body().reset(), test::respond(204)}));
  outbox->add({delivery_to(receiver.url() + "/stop")});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(line(0).at("result"), "retry");
  EXPECT_EQ(line(1).at("result"), "delivered");
  EXPECT_EQ(receiver.requests().at(0).message.header("webhook-id"),
            receiver.requests().at(1).message.header("webhook-id"));
}

TEST_F(MemoryOutboxTest, EveryStatusHasItsVerdict) {
  test::MockUpstream receiver;
  receiver.otherwise(test::MockUpstream::Handler([](const test::RequestRecord& request) {
    return test::respond(std::stoi(request.message.target.substr(1)));
  }));
  const auto send = [&](int status) {
    Delivery delivery = delivery_to(receiver.url() + '/' + std::to_string(status), std::to_string(status));
    delivery.retry.max_attempts = 1;
    outbox->add({delivery});
    ASSERT_TRUE(outbox->drain(patience));
  };
  for (int status = 200; status < 600; ++status) {
    send(status);
    if (status % 4 == 0) send(200);  // else its failures in a row would have the receiver left alone
  }
  EXPECT_EQ(outbox->counts().delivered, 200U);
  EXPECT_EQ(outbox->counts().dead, 300U);
  EXPECT_EQ(outbox->counts().attempts, 500U);
}

TEST_F(MemoryOutboxTest, EndlessInterimResponsesAreCutOff) {
  std::string interim;
  for (int i = 0; i < 1000; ++i) interim += "HTTP/1.1 102 Processing\r\n\r\n";
  ScriptedReceiver receiver(always(ScriptedReceiver::hold(interim)));
  outbox->add({delivery_to(receiver.url())});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(line(0).at("error"), "invalid response: too many interim responses");
}

TEST_F(MemoryOutboxTest, AReceiverThatSaysNothingTimesOutAndStopsNoOther) {
  ScriptedReceiver silent(always(ScriptedReceiver::hold()));
  ScriptedReceiver lively(always(ScriptedReceiver::respond("200 OK")));
  Delivery slow = delivery_to(silent.url(), "slow");
  slow.timeout = 50ms;
  slow.created = std::chrono::system_clock::now();
  slow.expire_after = 1s;
  for (int i = 0; i < 100; ++i) outbox->add({slow});
  outbox->add({delivery_to(lively.url(), "quick")});
  lively.wait_for_requests(1);
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(outbox->counts().dead, 100U);
  EXPECT_EQ(outbox->counts().delivered, 1U);
  EXPECT_THAT(access.messages(), Contains(HasSubstr("timed out waiting for the response")));
}

TEST_F(MemoryOutboxTest, TheHeadDecidesWhateverBecomesOfTheBody) {
  for (const auto& reply :
       {ScriptedReceiver::hold("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        ScriptedReceiver::close("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        ScriptedReceiver::close("HTTP/1.0 200 OK\r\n\r\nto the end"),
        ScriptedReceiver::hold("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
        ScriptedReceiver::hold("HTTP/1.1 200 OK\r\n\r\n" + std::string(1'000'000, 'x'))}) {
    ScriptedReceiver receiver(always(reply));
    Delivery delivery = delivery_to(receiver.url());
    delivery.timeout = 2s;
    const auto before = outbox->counts().delivered;
    outbox->add({delivery});
    ASSERT_TRUE(outbox->drain(patience));
    EXPECT_EQ(outbox->counts().delivered, before + 1) << reply.bytes.substr(0, 80);
    EXPECT_EQ(receiver.requests().size(), 1U);
  }
}

TEST_F(MemoryOutboxTest, AReceiverIsFoundByName) {
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("200 OK")));
  outbox->add({delivery_to("http://localhost:" + std::to_string(receiver.port()) + "/")});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(outbox->counts().delivered, 1U);
}

TEST_F(MemoryOutboxTest, BeyondItsCapacityANewDeliveryIsADeadLetter) {
  outbox = std::make_unique<MemoryOutbox>(MemoryOutbox::Options{.capacity = 2}, no_credentials(),
                                          access.logger, log.logger);
  ScriptedReceiver receiver(always(ScriptedReceiver::hold()));
  for (const char* id : {"one", "two", "three"}) outbox->add({delivery_to(receiver.url(), id)});
  EXPECT_EQ(outbox->counts().pending(), 2U);
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("webhook_id=three")));
}

TEST_F(MemoryOutboxTest, KeepsToItsConcurrency) {
  outbox = std::make_unique<MemoryOutbox>(MemoryOutbox::Options{.concurrency = 3}, no_credentials(),
                                          access.logger, log.logger);
  ScriptedReceiver receiver(always(ScriptedReceiver::hold()));
  for (int i = 0; i < 20; ++i) outbox->add({delivery_to(receiver.url())});
  receiver.wait_for_requests(3);
  EXPECT_FALSE(outbox->drain(20ms));
  EXPECT_EQ(receiver.requests().size(), 3U);
}

TEST_F(MemoryOutboxTest, WhatIsPendingAtTheEndIsNamed) {
  ScriptedReceiver receiver(always(ScriptedReceiver::hold()));
  outbox->add({delivery_to(receiver.url(), "under_way")});
  receiver.wait_for_requests(1);
  for (int i = 0; i < 100; ++i) outbox->add({delivery_to(receiver.url(), "last")});
  EXPECT_FALSE(outbox->drain(0ms));
  outbox.reset();
  ASSERT_EQ(log.messages().size(), 2U);
  EXPECT_THAT(log.messages()[0],
              HasSubstr("cleanups lost at shut-down count=100 webhook_id=under_way,last,last"));
  EXPECT_THAT(log.messages()[1], HasSubstr("count=1 webhook_id=last"));
}

TEST_F(MemoryOutboxTest, TakesDeliveriesFromManyThreads) {
  ScriptedReceiver receiver(always(ScriptedReceiver::respond("200 OK")));
  constexpr int threads = 8;
  constexpr int each = 100;
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        for (int i = 0; i < each; ++i)
          outbox->add({delivery_to(receiver.url(), std::to_string(t * each + i))});
      });
    }
  }
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(outbox->counts().delivered, static_cast<std::uint64_t>(threads * each));
  EXPECT_EQ(receiver.requests().size(), static_cast<std::size_t>(threads * each));
  EXPECT_LE(receiver.requests().back().connection, 64);
}

TEST_F(MemoryOutboxTest, AnIdleOneEndsAtOnce) {
  EXPECT_TRUE(outbox->drain(0ms));
  outbox.reset();
  EXPECT_TRUE(log.messages().empty());
}

}  // namespace
}  // namespace hangup::cleanup
