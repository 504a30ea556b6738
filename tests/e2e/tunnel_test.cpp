// Connections that change to another protocol: bytes both ways, and what their ends mean.
#include "e2e/fixture.h"

#include <csignal>

namespace hangup::test {
namespace {

const FieldList upgrade = {{"Connection", "Upgrade"}, {"Upgrade", "websocket"}};
const std::string switched =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Accept: yes\r\n\r\n";

class Tunnel : public EndToEnd {
 protected:
  // A client in a tunnel to the server, through which nothing has gone yet.
  Client open(const BufferSizes& buffers = {}) {
    Client client = connect(buffers);
    client.send(get("/ws", upgrade));
    request = upstream.wait_for_request("/ws");
    EXPECT_EQ(request.message.all("Connection"), std::vector<std::string>{"Upgrade"});
    EXPECT_EQ(request.message.all("Upgrade"), std::vector<std::string>{"websocket"});
    const Response& response = client.read_head();
    EXPECT_EQ(response.status, 101);
    EXPECT_EQ(response.all("Connection"), std::vector<std::string>{"Upgrade"});
    EXPECT_EQ(response.all("Upgrade"), std::vector<std::string>{"websocket"});
    EXPECT_EQ(response.header("X-Accept"), "yes");
    return client;
  }
  void start_with_tunnels(const Yaml& yaml = {}) {
    upstream.on("/ws", Script().send(switched));
    start(yaml);
  }

  RequestRecord request;
};

TEST_F(Tunnel, CarriesBytesBothWaysUntilTheServerEnds) {
  start_with_tunnels();
  Client client = open();
  client.send(std::string("\0\r\nGET / HTTP/1.1\r\n\r\n", 21));
  EXPECT_EQ(upstream.wait_for_body("/ws", 21).message.body, std::string("\0\r\nGET / HTTP/1.1\r\n\r\n", 21));
  upstream.send(request, "from the server");
  EXPECT_EQ(client.read_body(15).body, "from the server");
  client.send("more");
  upstream.wait_for_body("/ws", 25);
  upstream.act(request, Script().send(", the end").fin());
  const Response response = client.finish();
  EXPECT_EQ(response.body, "from the server, the end");
  EXPECT_EQ(client.closed(), Closed::fin);
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "tunnel", 101);
  EXPECT_EQ(exchange["bytes_in"], 25);
  EXPECT_EQ(exchange["bytes_out"], 24);
  expect_no_call(exchange);
}

TEST_F(Tunnel, CarriesWhatEachSideSentWithoutWaiting) {
  upstream.on("/ws", Script().send(switched + "at once"));
  start();
  Client client = connect();
  client.send(get("/ws", upgrade) + "early");
  EXPECT_EQ(client.read_head().status, 101);
  EXPECT_EQ(client.read_body(7).body, "at once");
  EXPECT_EQ(upstream.wait_for_body("/ws", 5).message.body, "early");
}

TEST_F(Tunnel, HoldsBackWhoSendsMoreThanTheOtherTakes) {
  start_with_tunnels();
  Client client = open({.receive = 4096});
  const std::uint64_t before = hangup->peak_resident_bytes();
  upstream.act(request, Script().stop_reading().send_endlessly(std::string(64 * 1024, 's')));
  wait_until_blocked(upstream, request);
  client.send_until_blocked(std::string(64 * 1024, 'c'), 64 << 20);
  if (!sanitized) {
    EXPECT_LT(hangup->peak_resident_bytes() - before, 4U << 20);
  }
  // And goes on when it does.
  upstream.act(request, Script().resume_reading());
  EXPECT_GT(client.read_body(32 << 20).body_bytes, 0U);
}

TEST_F(Tunnel, EndsWithAClientThatLeavesBehindBytesThatTheServerDoesNotTake) {
  start_with_tunnels();
  Client client = open();
  upstream.act(request, Script().stop_reading());
  client.send_until_blocked(std::string(64 * 1024, 'c'), 64 << 20);
  client.reset();
  upstream.wait_for_close(request);
  receiver.wait_for_call();
  expect_end(only_exchange(), "client_gone", "tunnel", 101);
}

TEST_F(Tunnel, PassesAFinOnWhereTheRouteWaits) {
  Yaml yaml;
  yaml.on_disconnect = "half_close: wait, cleanup: stop";
  start_with_tunnels(yaml);
  Client client = open();
  client.send("last words");
  client.fin();
  // The scripted server ends its connection at a FIN.
  upstream.wait_for_close(request);
  EXPECT_EQ(upstream.wait_for_body("/ws", 10).message.body, "last words");
  client.finish();
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "tunnel", 101);
  expect_no_call(exchange);
}

TEST_F(Tunnel, PassesAFinOnThatCameBeforeIt) {
  upstream.on("/ws", Script().gate("go").send(switched));
  start({.on_disconnect = "half_close: wait, cleanup: stop"});
  Client client = connect();
  client.send(get("/ws", upgrade));
  client.fin();
  request = upstream.wait_for_request("/ws");
  upstream.open("go");
  upstream.wait_for_close(request);
  EXPECT_EQ(client.read_head().status, 101);
  client.finish();
  expect_end(only_exchange(), "completed", "tunnel", 101);
}

// More than is kept of what comes before its time: the server would go on in the middle.
TEST_F(Tunnel, IsNotOpenedBehindBytesThatWereThrownAway) {
  upstream.on("/ws", Script().gate("go").send(switched));
  start();
  Client client = connect();
  client.send(get("/ws", upgrade));
  request = upstream.wait_for_request("/ws");
  client.send(std::string(16 << 20, 'e'));  // more than the kernel keeps
  upstream.open("go");
  upstream.wait_for_close(request);
  client.wait_for_close();
  expect_end(only_exchange(), "client_gone", "tunnel", 101);
}

TEST_F(Tunnel, IsCutVisiblyWhenTheServerResetsIt) {
  start_with_tunnels();
  Client client = open();
  upstream.reset(request);
  EXPECT_EQ(client.wait_for_close(), Closed::reset);
  expect_end(only_exchange(), "upstream_reset", "tunnel", 101);
}

TEST_F(Tunnel, EndsWhenNothingComesThroughForTooLong) {
  Yaml yaml;
  yaml.upstream = "timeouts: {tunnel: 1500ms, total: 1s, idle: 1s}";
  start_with_tunnels(yaml);
  Client client = open();
  EXPECT_EQ(client.wait_for_close(), Closed::reset);
  upstream.wait_for_close(request);
  const Json exchange = only_exchange();
  expect_end(exchange, "upstream_timeout", "tunnel", 101);
  EXPECT_GE(exchange["duration_ms"], 1500);
}

TEST_F(Tunnel, IsNotOpenedWithoutTheServersConsent) {
  upstream.on("/ws", Script().send(response(426, "no", {{"Connection", "close"}})).close());
  start();
  Client client = connect();
  client.send(get("/ws", upgrade));
  EXPECT_EQ(client.read_response().status, 426);
  // The next bytes are a request, whatever the server would take them for.
  upstream.on("/next", respond(200, "next"));
  EXPECT_EQ(client.exchange(get("/next")).body, "next");
}

TEST_F(Tunnel, IsNotOpenedToAnotherProtocolThanTheClientAskedFor) {
  upstream.on("/other", Script().send("HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"));
  upstream.on("/none", Script().send("HTTP/1.1 101 x\r\n\r\n"));
  upstream.on("/unasked", Script().send(switched));
  start();
  EXPECT_EQ(connect().exchange(get("/other", upgrade)).status, 502);
  EXPECT_EQ(connect().exchange(get("/none", upgrade)).status, 502);
  EXPECT_EQ(connect().exchange(get("/unasked")).status, 502);
  drain();
  for (const Json& exchange : hangup->access_log("exchange"))
    EXPECT_EQ(exchange["outcome"], "upstream_invalid");
}

TEST_F(Tunnel, IsNotOpenedWhereTheRouteAllowsNone) {
  Yaml yaml;
  yaml.route = "upgrades: none";
  upstream.on("/ws", respond(200, "plain"));
  start(yaml);
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/ws", upgrade)).body, "plain");
  EXPECT_FALSE(upstream.wait_for_request("/ws").message.has("Upgrade"));
}

TEST_F(Tunnel, OutlivesADrainNoLongerThanAnyExchange) {
  Yaml yaml;
  yaml.drain = "100ms";
  start_with_tunnels(yaml);
  Client client = open();
  hangup->signal(SIGTERM);
  EXPECT_EQ(client.wait_for_close(), Closed::reset);
  expect_end(only_exchange(), "shutdown", "tunnel", 101);
}

}  // namespace
}  // namespace hangup::test
