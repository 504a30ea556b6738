// Another configuration, while hangup runs.
#include "e2e/fixture.h"
#include "e2e/load.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <csignal>
#include <system_error>

namespace hangup::test {
namespace {

using ::testing::HasSubstr;

class Reload : public EndToEnd {
 protected:
  // The fixture's configuration with its one part replaced.
  std::string with(const Yaml& yaml, const std::string& from = {}, const std::string& to = {}) const {
    std::string text = configuration(yaml);
    if (from.empty()) return text;
    const std::size_t at = text.find(from);
    if (at == std::string::npos) throw std::runtime_error("no " + from + " in " + text);
    return text.replace(at, from.size(), to);
  }
  // With one more listener, `extra`.
  std::string with_extra(const Yaml& yaml = {}, const std::string& where = "127.0.0.1:0") const {
    return with(yaml, "upstreams:", fmt::format("  - {{name: extra, address: \"{}\"}}\nupstreams:", where));
  }
  // Where the listener called so was said to listen last.
  SocketAddress where(const std::string& name) const {
    const std::string log = hangup->log();
    const std::size_t line = log.rfind(" listening name=" + name + " address=");
    if (line == std::string::npos) throw std::runtime_error("no listener " + name);
    const std::size_t start = log.find("address=", line) + 8;
    return address(log.substr(start, log.find(' ', start) - start));
  }
  static bool refuses(const SocketAddress& where) {
    try {
      Client client(where);
      return false;
    } catch (const std::system_error& error) {
      return error.code() == std::errc::connection_refused;
    }
  }
};

TEST_F(Reload, UnderLoadFailsNoRequest) {
  MockUpstream other;
  upstream.otherwise(respond(200, "one"));
  other.otherwise(respond(200, "two"));
  const std::string one = configuration();
  const std::string two = with_extra({.listener = "timeouts: {idle: 20s, write_idle: 50s}",
                                      .servers = '"' + other.url() + '"',
                                      .upstream = "timeouts: {total: 5m}",
                                      .route = "response: {set_header: {X-Second: \"yes\"}}"});
  hangup = std::make_unique<Hangup>(one);
  Load load(hangup->where(), 4, 2, [](const Response& response) {
    const bool second = response.header("X-Second").has_value();
    return response.status == 200 && response.body == (second ? "two" : "one");
  });
  for (int i = 0; i < 20; ++i) {
    load.go_on_for(50);
    ASSERT_TRUE(hangup->reload(i % 2 == 0 ? two : one));
  }
  load.go_on_for(50);
  EXPECT_EQ(load.stop(), "");
  EXPECT_EQ(load.sent_again(), 0U) << "no connection is closed by a reload";
  hangup->stop();
  for (const Json& line : hangup->access_log("exchange")) EXPECT_EQ(line.at("outcome"), "completed") << line;
}

TEST_F(Reload, LeavesExchangesInFlightTheirRouteAndCleanup) {
  upstream.on("/work", never_answer());
  start();
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  ASSERT_TRUE(hangup->reload(with({.upstream = "connections: {max: 3}", .on_disconnect = "upstream: finish"},
                                  "cleanups:\n  stop: {", "cleanups:\n  other: {")));
  client.close();
  upstream.wait_for_close(request);
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  EXPECT_EQ(only_call(exchange).body.at("data").at("route"), "all");
}

TEST_F(Reload, ThatTakesTheLastCleanupAwayCanBeTakenBack) {
  upstream.on("/work", never_answer());
  start();
  const std::string before = with({});
  std::string without = before;
  const std::size_t at = without.find("cleanups:\n");
  without.erase(at, without.find("routes:\n") - at);
  without.replace(without.find("cleanup: stop"), 13, "cleanup: none");
  ASSERT_TRUE(hangup->reload(without)) << without;
  ASSERT_TRUE(hangup->reload(before));
  Client client = connect();
  client.send(get("/work"));
  upstream.wait_for_request("/work");
  client.close();
  only_call(only_exchange());
}

TEST_F(Reload, StillSignsTheCallsOfACleanupThatIsGone) {
  upstream.on("/work", never_answer());
  start({.cleanup = "signing_secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="});
  Client client = connect();
  client.send(get("/work"));
  upstream.wait_for_request("/work");
  ASSERT_TRUE(hangup->reload(
      with({.on_disconnect = "upstream: abort"}, "cleanups:\n  stop: {", "cleanups:\n  other: {")));
  client.close();
  EXPECT_TRUE(receiver.wait_for_call().message.has("webhook-signature"));
}

TEST_F(Reload, CountsForTheNextRequestOfAConnectionThatIsKept) {
  start({.route = "response: {set_header: {X-Says: before}}"});
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/a")).header("X-Says"), "before");
  ASSERT_TRUE(hangup->reload(configuration(
      {.listener = "limits: {header_bytes: 256}", .route = "response: {set_header: {X-Says: after}}"})));
  EXPECT_EQ(client.exchange(get("/b")).header("X-Says"), "after");
  EXPECT_EQ(client.exchange(get("/" + std::string(300, 'c'))).status, 414);
}

TEST_F(Reload, KeepsTheConnectionsOfUpstreamsThatStay) {
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/a")).status, 200);
  ASSERT_TRUE(hangup->reload(configuration({.route = "response: {remove_header: [X-Any]}"})));
  EXPECT_EQ(client.exchange(get("/b")).status, 200);
  EXPECT_EQ(upstream.connections().size(), 1U);
}

TEST_F(Reload, OfABadFileChangesNothingAndSaysWhereItIsWrong) {
  start({.route = "response: {set_header: {X-Says: before}}"});
  EXPECT_FALSE(hangup->reload(
      with({.route = "response: {set_header: {X-Says: after}}"}, "workers: 2", "workers: 2\nshutdwon: {}")));
  EXPECT_THAT(hangup->log(), HasSubstr(hangup->configuration_file().string() + ":2:1: unknown key"));
  EXPECT_EQ(connect().exchange(get("/a")).header("X-Says"), "before");
}

TEST_F(Reload, OfAnAddressInUseChangesNothing) {
  const RefusingPort taken;
  start({.route = "response: {set_header: {X-Says: before}}"});
  EXPECT_FALSE(hangup->reload(
      with_extra({.route = "response: {set_header: {X-Says: after}}"}, taken.where().to_string())));
  EXPECT_THAT(hangup->log(), HasSubstr("listener `extra`: cannot listen on " + taken.where().to_string()));
  EXPECT_EQ(connect().exchange(get("/a")).header("X-Says"), "before");
}

TEST_F(Reload, SaysWhatNeedsARestart) {
  start();
  ASSERT_TRUE(hangup->reload(configuration({.workers = 1})));
  EXPECT_THAT(hangup->log(), HasSubstr("`workers` has changed, which needs a restart"));
  EXPECT_THAT(hangup->log(), HasSubstr("workers=2"));
}

TEST_F(Reload, OpensAListenerAndClosesItAgainWhenItsExchangesHaveEnded) {
  upstream.on("/work", Script().gate("go").send(response(200, "finished")));
  start();
  ASSERT_TRUE(hangup->reload(with_extra()));
  const SocketAddress extra = where("extra");
  Client idle(extra);
  EXPECT_EQ(idle.exchange(get("/a")).status, 200);
  Client working(extra);
  working.send(get("/work"));
  upstream.wait_for_request("/work");

  ASSERT_TRUE(hangup->reload(configuration()));
  eventually("refused connections", [&] { return refuses(extra); });
  EXPECT_EQ(idle.read_to_close(), "");
  upstream.open("go");
  EXPECT_EQ(working.read_response().body, "finished");
  EXPECT_EQ(working.wait_for_close(), Closed::fin);
  EXPECT_EQ(connect().exchange(get("/b")).status, 200);
}

TEST_F(Reload, TakesAUnixSocketAwayWithItsListener) {
  const TempDir dir;
  const std::string path = (dir / "in.sock").string();
  start();
  ASSERT_TRUE(hangup->reload(with_extra({}, "unix:" + path)));
  EXPECT_EQ(Client(address("unix:" + path)).exchange(get("/a")).status, 200);
  ASSERT_TRUE(hangup->reload(configuration()));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Reload, LetsGoOfConfigurationsWhoseExchangesHaveEnded) {
  start();
  ASSERT_TRUE(hangup->reload(with_extra()));
  ASSERT_TRUE(hangup->reload(configuration()));
  const std::size_t before = hangup->descriptors();
  for (int i = 0; i < 80; ++i) ASSERT_TRUE(hangup->reload(i % 2 == 0 ? with_extra() : configuration()));
  eventually("as many descriptors as before", [&] { return hangup->descriptors() <= before; });
}

}  // namespace
}  // namespace hangup::test
