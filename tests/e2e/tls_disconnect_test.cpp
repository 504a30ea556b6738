// Disconnects under TLS, beside the matrix (matrix_test): policies, our own goodbye, and handshakes.
#include "e2e/tls_fixture.h"

#include <gmock/gmock.h>

namespace hangup::test {
namespace {

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

// What is kept of a body, to see a goodbye behind it, is none the less a body.
TEST_F(TlsDisconnect, WithWaitForHalfClosedClientsABodyBeforeTheGoodbyeIsStillForwarded) {
  upstream.on("/hold", Script().gate("go").send(response(200, "held")));
  Yaml yaml = tls_yaml();
  yaml.workers = 1;
  yaml.upstream = "connections: {max: 1}";
  yaml.on_disconnect = "cleanup: stop, half_close: wait";
  start(yaml);
  TlsClient holder = connect_tls();
  holder.send(get("/hold"));
  upstream.wait_for_request("/hold");
  const std::string body = noise(200'000);  // more than is kept
  TlsClient whole = connect_tls();
  whole.send(post("/whole", body));
  whole.say_goodbye();
  TlsClient half = connect_tls();
  half.send(post("/half", body).substr(0, 20'000));
  half.say_goodbye();
  upstream.open("go");
  EXPECT_THAT(whole.read_to_end(), ::testing::HasSubstr("ok"));
  EXPECT_EQ(upstream.wait_for_whole_request("/whole").message.body, body);
  hangup->wait_for_exchanges(3);
  expect_end(only_exchange("/whole"), "completed", "streaming_response", 200);
  EXPECT_EQ(only_exchange("/half")["outcome"], "client_gone");
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

// Each new key costs us much more than the client: nobody else would have a turn.
TEST_F(TlsDisconnect, IsWhatEndsAClientThatSendsNothingButNewKeys) {
  upstream.on("/work", never_answer());
  start(tls_yaml());
  TlsOptions options = trusting();
  options.version = TLS1_3_VERSION;
  TlsClient client = connect_tls(options);
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  for (int i = 0; i < 10'000; ++i) {
    client.renew_keys();
    client.handshake();
  }
  upstream.wait_for_close(request);
  only_call(only_exchange());
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
