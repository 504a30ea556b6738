// The PROXY protocol: who the client is, as trusted proxies say it, before plain HTTP and before TLS.
#include "e2e/tls_fixture.h"

#include <gmock/gmock.h>

#include <deque>
#include <string>

namespace hangup::test {
namespace {

using ::testing::HasSubstr, ::testing::Not;

const std::string v1_header = "PROXY TCP4 192.0.2.7 10.0.0.2 4711 443\r\n";
// From [2001:db8::7]:4711.
const std::string v2_header = std::string("\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24", 16) +
                              std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x07" +
                              std::string(15, '\0') + "\x01" + std::string("\x12\x67\x01\xbb", 4);
const std::string v2_local = std::string("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", 16);

// From a UNIX socket without a name.
const std::string v2_unix = std::string("\r\n\r\n\0\r\nQUIT\n\x21\x31\x00\xd8", 16) + std::string(216, '\0');

class ProxyProtocol : public TlsEndToEnd {
 protected:
  static constexpr const char* accept = "proxy_protocol: accept, trusted_proxies: [127.0.0.0/8, unix]";
  Yaml plain() const {
    Yaml yaml;
    yaml.listener = accept;
    return yaml;
  }
  std::string forwarded_for() const {
    return upstream.requests().back().message.header("X-Forwarded-For").value_or("");
  }
};

TEST_F(ProxyProtocol, SaysWhoTheClientIs) {
  start(plain());
  EXPECT_EQ(connect().exchange(v1_header + get("/v1")).status, 200);
  EXPECT_EQ(forwarded_for(), "192.0.2.7");
  EXPECT_EQ(connect().exchange(v2_header + get("/v2")).status, 200);
  EXPECT_EQ(forwarded_for(), "2001:db8::7");
  EXPECT_EQ(connect().exchange(v2_local + get("/local")).status, 200);
  EXPECT_EQ(forwarded_for(), "127.0.0.1");
  EXPECT_EQ(only_exchange("/v1").at("client"), "192.0.2.7:4711");
  EXPECT_EQ(only_exchange("/v2").at("client"), "[2001:db8::7]:4711");
}

TEST_F(ProxyProtocol, ThatNamesNobodyIsNotTakenForTheProxyWhereOnlySomeAreAllowed) {
  Yaml yaml = plain();
  yaml.route = "allow: 127.0.0.0/8";
  start(yaml);
  const std::string unknown = "PROXY UNKNOWN\r\n";
  EXPECT_EQ(connect().exchange(unknown + get("/work")).status, 403);
  EXPECT_EQ(connect().exchange(unknown + get("/work", {{"X-Forwarded-For", "127.0.0.9"}})).status, 403);
  EXPECT_EQ(upstream.request_count(), 0U);
  EXPECT_EQ(connect().exchange(v2_local + get("/healthz")).status, 200);
}

TEST_F(ProxyProtocol, WorksByteByByteAndOnlyOnceForAConnection) {
  start(plain());
  for (const std::string& header : {v1_header, v2_header}) {
    Client client = connect();
    for (const char c : header + get("/one")) client.send({&c, 1});
    EXPECT_EQ(client.read_response().status, 200);
    EXPECT_EQ(client.exchange(get("/two")).status, 200);
    EXPECT_NE(forwarded_for(), "127.0.0.1");
  }
}

TEST_F(ProxyProtocol, ComesBeforeTls) {
  start(tls_yaml({}, accept));
  for (const std::string& header : {v1_header, v2_header}) {
    for (const std::size_t piece : {std::size_t{0}, std::size_t{7}}) {
      TlsOptions options = trusting();
      options.piece = piece;
      TlsClient client(hangup->where(), options);
      client.send_plain(header);
      ASSERT_TRUE(client.handshake()) << client.failure();
      EXPECT_THAT(ask(client), HasSubstr("200"));
      EXPECT_EQ(forwarded_for(), header == v1_header ? "192.0.2.7" : "2001:db8::7");
    }
  }
}

TEST_F(ProxyProtocol, OfCurlIsUnderstood) {
  start(plain());
  const Finished finished = run(
      {"curl", "--silent", "--show-error", "--max-time", "20", "--haproxy-protocol", hangup->url("/curl")});
  EXPECT_EQ(finished.out, "ok") << finished.err;
}

TEST_F(ProxyProtocol, FromAnybodyElseIsRefusedAtOnce) {
  Yaml yaml;
  yaml.listener = "proxy_protocol: accept, trusted_proxies: 192.0.2.0/24";
  start(yaml);
  connect().wait_for_close();
  drain();
  EXPECT_THAT(hangup->log(), HasSubstr("not one of trusted_proxies"));
  EXPECT_THAT(hangup->log(), HasSubstr("client=127.0.0.1"));
  EXPECT_EQ(upstream.request_count(), 0U);
}

TEST_F(ProxyProtocol, ThatIsMissingOrBrokenEndsTheConnection) {
  start(plain());
  for (const std::string& bytes : {get("/without"), std::string("PROXY TCP4 x\r\n"),
                                   v2_header.substr(0, 12) + "\x31", "\x16\x03\x01" + get("/")}) {
    Client client = connect();
    client.send(bytes);
    client.wait_for_close();
  }
  drain();
  EXPECT_THAT(hangup->log(), HasSubstr("begins with something else"));
  EXPECT_TRUE(hangup->access_log("exchange").empty());
  EXPECT_EQ(upstream.request_count(), 0U);
}

TEST_F(ProxyProtocol, HasADeadline) {
  Yaml yaml = plain();
  yaml.listener += ", timeouts: {handshake: 200ms}";
  start(yaml);
  Client client = connect();
  client.send("PROXY TCP4 ");
  client.wait_for_close();
  drain();
  EXPECT_THAT(hangup->log(), HasSubstr("PROXY header did not come in time"));
}

TEST_F(ProxyProtocol, OfAClientThatLeavesIsNoLine) {
  start(plain());
  for (const bool by_reset : {false, true}) {
    Client client = connect();
    client.send("PROXY TCP4 ");
    by_reset ? client.reset() : client.close();
    by_reset ? connect().reset() : connect().close();
  }
  EXPECT_EQ(connect().exchange(v1_header + get("/alive")).status, 200);
  drain();
  EXPECT_THAT(hangup->log(), Not(HasSubstr("info not connected")));
}

TEST_F(ProxyProtocol, NamesAClientWithTooManyConnectionsWhichAreRefusedBeforeTheyAskAndTakeNoPlace) {
  Yaml yaml = plain();
  yaml.listener += ", limits: {connections: 2, connections_per_client: 1}";
  start(yaml);
  Client first = connect();
  EXPECT_EQ(first.exchange(v1_header + get("/first")).status, 200);
  std::deque<Client> refused;
  for (int i = 0; i < 4; ++i) {
    refused.push_back(connect());
    refused.back().send(v1_header);
    EXPECT_EQ(refused.back().read_response().status, 503);
  }
  EXPECT_EQ(connect().exchange(v2_header + get("/of-another")).status, 200);
  EXPECT_EQ(first.exchange(get("/first-again")).status, 200);
  eventually("the log to say so",
             [&] { return hangup->log().contains("client=192.0.2.7 limits.connections_per_client=1"); });
}

TEST_F(ProxyProtocol, NamesAClientWithTooManyConnectionsWhichGetNoTlsHandshake) {
  start(tls_yaml({}, std::string(accept) + ", limits: {connections: 2, connections_per_client: 1}"));
  TlsClient first(hangup->where(), trusting());
  first.send_plain(v1_header);
  ASSERT_TRUE(first.handshake()) << first.failure();
  for (int i = 0; i < 4; ++i) {
    TlsClient refused(hangup->where(), trusting());
    refused.send_plain(v1_header);
    EXPECT_FALSE(refused.handshake());
  }
  TlsClient of_another(hangup->where(), trusting());
  of_another.send_plain(v2_header);
  ASSERT_TRUE(of_another.handshake()) << of_another.failure();
  EXPECT_THAT(ask(of_another), HasSubstr("200"));
}

TEST_F(ProxyProtocol, OfAClientAtAUnixSocketLeavesClosesVisible) {
  upstream.on("/work", never_answer());
  start(plain());
  Client client = connect();
  client.send(v2_unix + get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  upstream.wait_for_close(request);
  expect_end(only_exchange(), "client_gone", "awaiting_response", 499);
}

TEST_F(ProxyProtocol, LeavesClosesVisible) {
  upstream.on("/work", never_answer());
  start(plain());
  Client client = connect();
  client.send(v1_header + get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  upstream.wait_for_close(request);
  EXPECT_EQ(only_exchange().at("outcome"), "client_gone");
}

}  // namespace
}  // namespace hangup::test
