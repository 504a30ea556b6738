// What counts as a disconnect, counts as one under TLS: however the client leaves, and whatever it has sent
// before.
#include "e2e/tls_fixture.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <vector>

namespace hangup::test {
namespace {

enum class TlsMoment { half_body, awaiting_response, idle_stream, blocked_stream };
enum class TlsSign { close, goodbye, fin, reset };
struct TlsCase {
  TlsMoment moment;
  TlsSign sign;
  bool pipelined;
};

std::string name_of(TlsMoment moment) {
  switch (moment) {
    case TlsMoment::half_body:
      return "WithHalfItsBodySent";
    case TlsMoment::awaiting_response:
      return "WhileAwaitingTheResponse";
    case TlsMoment::idle_stream:
      return "OfAnIdleStream";
    case TlsMoment::blocked_stream:
      return "OfAStreamItDoesNotRead";
  }
  return {};
}

std::string name_of(TlsSign sign) {
  switch (sign) {
    case TlsSign::close:
      return "Closes";
    case TlsSign::goodbye:
      return "SaysGoodbye";
    case TlsSign::fin:
      return "SendsFinWithoutGoodbye";
    case TlsSign::reset:
      return "Resets";
  }
  return {};
}

class TlsClientThat : public TlsEndToEnd, public ::testing::WithParamInterface<TlsCase> {
 protected:
  TlsClient reach(TlsMoment moment);
  static void leave(TlsClient& client, TlsSign sign) {
    switch (sign) {
      case TlsSign::close:
        return client.close();
      case TlsSign::goodbye:
        return client.say_goodbye();
      case TlsSign::fin:
        return client.fin();
      case TlsSign::reset:
        return client.reset();
    }
  }
};

TlsClient TlsClientThat::reach(TlsMoment moment) {
  if (moment == TlsMoment::awaiting_response) upstream.on("/work", never_answer());
  if (moment == TlsMoment::idle_stream) upstream.on("/work", Script().send(chunked_head() + chunk("hello")));
  if (moment == TlsMoment::blocked_stream) {
    upstream.on("/work", Script().send(chunked_head()).send_endlessly(chunk(std::string(16 * 1024, 's'))));
  }
  start(tls_yaml());
  const bool reads = moment != TlsMoment::blocked_stream;
  TlsClient client = connect_tls(trusting(), reads ? BufferSizes{} : BufferSizes{.receive = 4096});
  if (moment == TlsMoment::half_body) {
    client.send("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + std::string(500, 'x'));
    upstream.wait_for_body("/work", 500);
    return client;
  }
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  if (moment == TlsMoment::idle_stream) client.read_until("hello");
  if (moment == TlsMoment::blocked_stream) wait_until_blocked(upstream, request);
  return client;
}

TEST_P(TlsClientThat, IsNoticed) {
  const auto [moment, sign, pipelined] = GetParam();
  TlsClient client = reach(moment);
  if (pipelined) client.send(get("/next") + std::string(60'000, 'j'));
  leave(client, sign);
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  receiver.wait_for_call();
  const Json exchange = only_exchange("/work");
  EXPECT_EQ(exchange.at("outcome"), "client_gone") << exchange;
  EXPECT_LT(exchange.at("abort_us"), 1'000'000) << exchange;
  only_call(exchange);
  for (const RequestRecord& request : upstream.requests()) EXPECT_NE(request.message.path(), "/next");
}

std::vector<TlsCase> every_tls_case() {
  std::vector<TlsCase> cases;
  for (const TlsMoment moment : {TlsMoment::half_body, TlsMoment::awaiting_response, TlsMoment::idle_stream,
                                 TlsMoment::blocked_stream}) {
    for (const TlsSign sign : {TlsSign::close, TlsSign::goodbye, TlsSign::fin, TlsSign::reset}) {
      cases.push_back({moment, sign, false});
      // What follows half a body is the other half.
      if (moment != TlsMoment::half_body) cases.push_back({moment, sign, true});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(TlsDisconnect, TlsClientThat, ::testing::ValuesIn(every_tls_case()),
                         [](const auto& test) {
                           return name_of(test.param.sign) + name_of(test.param.moment) +
                                  (test.param.pipelined ? "BehindWhatItPipelined" : "");
                         });

class TlsDisconnect : public TlsEndToEnd {};

TEST_F(TlsDisconnect, WithWaitForHalfClosedClientsTheResponseIsStillDelivered) {
  upstream.on("/work", Script().gate("go").send(response(200, "still here")));
  Yaml yaml = tls_yaml();
  yaml.on_disconnect = "cleanup: stop, half_close: wait";
  start(yaml);
  TlsClient client = connect_tls();
  client.send(get("/work"));
  upstream.wait_for_request("/work");
  client.say_goodbye();
  client.fin();
  upstream.open("go");
  EXPECT_THAT(client.read_to_end(), ::testing::HasSubstr("still here"));
  EXPECT_EQ(client.end(), TlsClient::End::close_notify);
  expect_end(only_exchange(), "completed", "streaming_response", 200);
}

TEST_F(TlsDisconnect, WithWaitForHalfClosedClientsAResetStillEndsIt) {
  upstream.on("/work", never_answer());
  Yaml yaml = tls_yaml();
  yaml.on_disconnect = "cleanup: stop, half_close: wait";
  start(yaml);
  TlsClient client = connect_tls();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.say_goodbye();
  client.reset();
  upstream.wait_for_close(request);
  only_call(only_exchange());
}

TEST_F(TlsDisconnect, OurCloseAfterAWholeResponseSaysGoodbye) {
  start(tls_yaml());
  TlsClient client = connect_tls();
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), ::testing::HasSubstr("ok"));
  EXPECT_EQ(client.end(), TlsClient::End::close_notify);
}

TEST_F(TlsDisconnect, AResponseThatIsCutShortNeverLooksWhole) {
  upstream.on("/cut", Script().send(chunked_head() + chunk("half")).gate("go").close());
  start(tls_yaml());
  for (const char* version : {"1.0", "1.1"}) {
    TlsClient client = connect_tls();
    client.send(std::string("GET /cut HTTP/") + version + "\r\nHost: a\r\n\r\n");
    client.read_until("half");
    upstream.open("go");
    client.read_to_end();
    EXPECT_NE(client.end(), TlsClient::End::close_notify) << version;
  }
}

TEST_F(TlsDisconnect, InTheMiddleOfTheHandshakeIsNoExchangeAndNoLine) {
  start(tls_yaml());
  for (const bool by_reset : {false, true}) {
    Client begun = connect();
    begun.send("\x16\x03\x01\x02");
    Client silent = connect();
    by_reset ? begun.reset() : begun.close();
    by_reset ? silent.reset() : silent.close();
  }
  TlsClient after = connect_tls();
  ask(after);
  after.close();
  drain();
  EXPECT_EQ(hangup->access_log("exchange").size(), 1U);
  EXPECT_THAT(hangup->log(), ::testing::Not(::testing::HasSubstr("info not connected")));
}

}  // namespace
}  // namespace hangup::test
