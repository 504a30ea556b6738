// How hangup ends.
#include "e2e/fixture.h"

#include <csignal>
#include <deque>
#include <system_error>

namespace hangup::test {
namespace {

class Signals : public EndToEnd, public ::testing::WithParamInterface<int> {
 protected:
  bool refuses_connections() const {
    try {
      connect();
      return false;
    } catch (const std::system_error& error) {
      return error.code() == std::errc::connection_refused;
    }
  }
  void wait_until_draining() const {
    eventually("refused connections", [&] { return refuses_connections(); });
  }
};

TEST_P(Signals, LetExchangesFinishAndRefuseNewConnections) {
  upstream.on("/work", Script().gate("go").send(response(200, "finished")));
  start({.drain = "60s"});
  Client idle = connect();
  EXPECT_EQ(idle.exchange(get("/quick")).status, 200);
  Client client = connect();
  client.send(get("/work"));
  upstream.wait_for_request("/work");

  hangup->signal(GetParam());
  wait_until_draining();
  EXPECT_EQ(idle.read_to_close(), "");
  upstream.open("go");
  EXPECT_EQ(client.read_response().body, "finished");
  EXPECT_EQ(client.wait_for_close(), Closed::fin);
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
  for (const Json& line : hangup->access_log("exchange"))
    expect_end(line, "completed", "streaming_response", 200);
  EXPECT_EQ(hangup->access_log("exchange").size(), 2U);
  EXPECT_TRUE(receiver.calls().empty());
}

TEST_P(Signals, LetRequestsBeAnsweredThatHaveComeOnIdleConnections) {
  start({.drain = "60s"});
  std::deque<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(connect());
    EXPECT_EQ(clients.back().exchange(get("/first")).status, 200);
  }
  hangup->signal(SIGSTOP);
  for (Client& client : clients) client.send(get("/second"));
  hangup->signal(GetParam());
  hangup->signal(SIGCONT);
  for (Client& client : clients) EXPECT_EQ(client.read_response().body, "ok");
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
}

INSTANTIATE_TEST_SUITE_P(Each, Signals, ::testing::Values(SIGTERM, SIGINT),
                         [](const auto& test) { return test.param == SIGTERM ? "Terminate" : "Interrupt"; });

using Drain = Signals;

TEST_F(Drain, RunsOutIntoShutdownAndDeliversTheCleanup) {
  upstream.on("/work", never_answer());
  start({.drain = "200ms"});
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  hangup->signal(SIGTERM);
  EXPECT_EQ(client.read_response().status, 503);
  upstream.wait_for_close(request);
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
  const auto exchanges = hangup->access_log("exchange");
  ASSERT_EQ(exchanges.size(), 1U);
  expect_end(exchanges[0], "shutdown", "awaiting_response", 503);
  const auto calls = receiver.calls();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].body.at("data").at("outcome"), "shutdown");
  EXPECT_EQ(exchanges[0].at("cleanup"), Json::array({calls[0].webhook_id()}));
}

TEST_F(Drain, RunsOutIntoACutStream) {
  upstream.on("/work", Script().send(chunked_head() + chunk("some")));
  start({.drain = "200ms"});
  Client client = connect();
  client.send(get("/work"));
  client.read_head();
  client.read_body(4);
  hangup->signal(SIGTERM);
  EXPECT_FALSE(client.finish().complete);
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
  const auto exchanges = hangup->access_log("exchange");
  ASSERT_EQ(exchanges.size(), 1U);
  expect_end(exchanges[0], "shutdown", "streaming_response", 200);
  EXPECT_EQ(receiver.calls().size(), 1U);
}

TEST_F(Drain, StillNoticesADisconnect) {
  upstream.on("/work", never_answer());
  start({.drain = "60s"});
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  hangup->signal(SIGTERM);
  wait_until_draining();
  client.close();
  upstream.wait_for_close(request);
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
  const auto exchanges = hangup->access_log("exchange");
  ASSERT_EQ(exchanges.size(), 1U);
  expect_end(exchanges[0], "client_gone", "awaiting_response", 499);
  EXPECT_EQ(receiver.calls().size(), 1U);
}

TEST_F(Drain, WaitsForTheCleanupsThatAreStillOwed) {
  upstream.on("/work", never_answer());
  receiver.server().on("/stop", Script().gate("late").send(response(204)));
  start({.drain = "60s"});
  Client client = connect();
  client.send(get("/work"));
  upstream.wait_for_request("/work");
  client.close();
  receiver.wait_for_call();
  hangup->signal(SIGTERM);
  wait_until_draining();
  receiver.server().open("late");
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
  const auto attempts = hangup->access_log("cleanup");
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(attempts[0].at("result"), "delivered");
}

TEST_F(Drain, IsEndedByASecondSignal) {
  upstream.on("/work", never_answer());
  start({.drain = "600s"});
  Client client = connect();
  client.send(get("/work"));
  upstream.wait_for_request("/work");
  hangup->signal(SIGTERM);
  wait_until_draining();
  hangup->signal(SIGTERM);
  hangup->wait_for_exit();
}

TEST_F(Drain, WithNothingToDoEndsAtOnce) {
  start({.drain = "600s"});
  Client idle = connect();
  EXPECT_EQ(idle.exchange(get("/quick")).status, 200);
  Client silent = connect();
  hangup->signal(SIGTERM);
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
  EXPECT_EQ(idle.read_to_close(), "");
}

TEST_F(Drain, IsNotStartedByABrokenPipe) {
  start();
  hangup->signal(SIGPIPE);
  EXPECT_EQ(connect().exchange(get("/work")).status, 200);
}

}  // namespace
}  // namespace hangup::test
