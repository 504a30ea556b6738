// A listener's limits on connections: those beyond it wait, or are refused.
#include "e2e/fixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <vector>

namespace hangup::test {
namespace {

std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class ConnectionLimit : public EndToEnd {
 protected:
  void start_with(const std::string& limits, const std::string& address = "127.0.0.1:0") {
    Yaml yaml;
    yaml.address = address;
    yaml.listener = "limits: {" + limits + "}";
    start(yaml);
  }
  Client connect_as(const char* source) const {
    return Client(connect_from(address(source), hangup->where()));
  }

  // `count` clients, of which `most` are let in. Each that leaves lets in one more, until all had their turn.
  void expect_turns(std::size_t count, std::size_t most) {
    const Time begin = std::chrono::steady_clock::now();
    std::deque<Client> clients;
    for (std::size_t i = 0; i < count; ++i) {
      clients.push_back(connect());
      clients.back().send(get(fmt::format("/{}", i)));
    }
    upstream.wait_for_requests(most);
    eventually("the limit to be reached", [&] { return hangup->log().contains("listener is full"); });
    for (std::size_t served = 0; served < count; ++served) {
      upstream.wait_for_requests(std::min(served + most, count));
      EXPECT_LE(upstream.request_count(), served + most);
      Client& client = clients.at(std::stoul(upstream.requests().at(served).message.target.substr(1)));
      EXPECT_EQ(client.read_response().body, "ok");
      client.close();
    }
    // One, and on a machine that needs so long another every ten seconds.
    const auto lines = static_cast<std::size_t>((std::chrono::steady_clock::now() - begin) / 10s) + 1;
    EXPECT_LE(count_of(hangup->log(), "listener is full"), lines) << "a line for each is a flood";
  }

  TempDir dir_;
};

TEST_F(ConnectionLimit, MakesOthersWaitForOneToClose) {
  start_with("connections: 3");
  expect_turns(40, 3);
}

TEST_F(ConnectionLimit, OfOneConnectionIsKeptOverAllWorkers) {
  start_with("connections: 1");
  expect_turns(20, 1);
}

TEST_F(ConnectionLimit, OfAUnixSocketIsKeptToo) {
  start_with("connections: 2", "unix:" + (dir_ / "front.sock").string());
  expect_turns(20, 2);
}

// What the worker does whose connection ends, that of the waiting one learns of at once.
TEST_F(ConnectionLimit, LetsTheNextOneInAtOnce) {
  Yaml yaml;
  yaml.listener = "limits: {connections: 1}";
  yaml.upstream = "connections: {keepalive: 0}";  // the server's connections go, so that descriptors tell
  start(yaml);
  std::vector<std::chrono::steady_clock::duration> waits;
  Client before = connect();
  EXPECT_EQ(before.exchange(get("/work")).body, "ok");
  upstream.wait_for_closes(1);
  const std::size_t with_one = hangup->descriptors();
  for (std::size_t i = 0; i < 30; ++i) {
    Client next = connect();
    next.send(get("/work"));
    eventually("the next one to be held", [&] { return hangup->descriptors() == with_one + 1; });
    EXPECT_EQ(upstream.request_count(), i + 1);
    const Time left = std::chrono::steady_clock::now();
    before.close();
    EXPECT_EQ(next.read_response().body, "ok");
    waits.push_back(std::chrono::steady_clock::now() - left);
    before = std::move(next);
    upstream.wait_for_closes(i + 2);
    eventually("the one before to be gone", [&] { return hangup->descriptors() == with_one; });
  }
  std::ranges::sort(waits);
  RecordProperty("longest_wait_us", static_cast<int>(waits.back() / 1us));
  EXPECT_LT(waits[waits.size() - 2], 1s) << "but for one: the machine may be busy once";
}

TEST_F(ConnectionLimit, DoesNotKeepADrainFromEnding) {
  upstream.on("/held", Script().gate("go").send(response(200, "answered")));
  start_with("connections: 1");
  Client served = connect();
  served.send(get("/held"));
  upstream.wait_for_request("/held");
  std::deque<Client> waiting;
  for (int i = 0; i < 8; ++i) {
    waiting.push_back(connect());
    waiting.back().send(get("/never"));
  }
  eventually("the limit to be reached", [&] { return hangup->log().contains("listener is full"); });
  hangup->signal(SIGTERM);
  for (Client& client : waiting) EXPECT_EQ(client.read_to_close(), "");
  upstream.open("go");
  EXPECT_EQ(served.read_response().body, "answered");
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
  EXPECT_EQ(upstream.request_count(), 1U);
}

TEST_F(ConnectionLimit, RefusesOthersWithoutWaitingForTheirRequest) {
  start_with("connections: 1, when_full: reject");
  Client served = connect();
  EXPECT_EQ(served.exchange(get("/work")).body, "ok");
  Client refused = connect();
  const Response response = refused.read_response();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.header("Retry-After"), "1");
  EXPECT_EQ(response.header("Connection"), "close");
  EXPECT_NE(response.body.find("as many connections as it may"), std::string::npos) << response.body;
  EXPECT_EQ(refused.wait_for_close(), Closed::fin);
  EXPECT_EQ(served.exchange(get("/work")).body, "ok");
  served.close();
  eventually("a free place", [&] { return connect().exchange(get("/work")).status == 200; });
}

// A close with bytes unread would be a reset, which can overtake the answer.
TEST_F(ConnectionLimit, RefusesSoThatTheAnswerIsReadByAClientThatSendsAlot) {
  start_with("connections: 1, when_full: reject");
  Client served = connect();
  EXPECT_EQ(served.exchange(get("/work")).body, "ok");
  for (int i = 0; i < 20; ++i) {
    Client refused = connect();
    refused.try_send(post("/work", std::string(1 << 20, 'x')));
    EXPECT_EQ(refused.read_response("POST").status, 503);
  }
}

// More than are kept to be answered with care.
TEST_F(ConnectionLimit, RefusesManyWhoStayAndGoesOnServing) {
  start_with("connections: 1, when_full: reject");
  Client served = connect();
  EXPECT_EQ(served.exchange(get("/work")).body, "ok");
  std::deque<Client> refused;
  for (int i = 0; i < 600; ++i) {
    refused.push_back(connect());
    ASSERT_EQ(refused.back().read_response().status, 503);
  }
  EXPECT_LT(hangup->descriptors(), 350U);
  EXPECT_EQ(served.exchange(get("/work")).body, "ok");
  EXPECT_LE(count_of(hangup->log(), "listener is full"), 3U) << "a line for each is a flood";
  drain();
  EXPECT_EQ(hangup->access_log("exchange").size(), 2U);
}

TEST_F(ConnectionLimit, OfAClientRefusesItAndNobodyElse) {
  start_with("connections_per_client: 2");
  Client first = connect_as("127.0.0.1:0");
  Client second = connect_as("127.0.0.1:0");
  EXPECT_EQ(first.exchange(get("/work")).body, "ok");
  EXPECT_EQ(second.exchange(get("/work")).body, "ok");
  Client third = connect_as("127.0.0.1:0");
  const Response response = third.read_response();
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(response.body.find("your address has as many"), std::string::npos) << response.body;
  EXPECT_EQ(connect_as("127.0.0.2:0").exchange(get("/work")).body, "ok");
  eventually("a line for operators",
             [&] { return hangup->log().contains("client=127.0.0.1 limits.connections_per_client=2"); });
  first.close();
  eventually("a free place", [&] { return connect_as("127.0.0.1:0").exchange(get("/work")).status == 200; });
}

TEST_F(ConnectionLimit, IsLoweredToWhatTheDescriptorsAllowAndSaysSo) {
  hangup = std::make_unique<Hangup>(configuration(), 1, std::vector<std::string>{"prlimit", "--nofile=500"});
  EXPECT_TRUE(hangup->log().contains("limits.connections lowered name=public from=20000 to="))
      << hangup->log();
  EXPECT_TRUE(hangup->log().contains("the limit on open files is 500")) << hangup->log();
  std::deque<Client> clients;
  for (int i = 0; i < 600; ++i) clients.push_back(connect());
  eventually("the limit to be reached", [&] { return hangup->log().contains("listener is full"); });
  EXPECT_FALSE(hangup->log().contains("cannot accept")) << hangup->log();
  EXPECT_EQ(clients.front().exchange(get("/work")).body, "ok");
}

TEST_F(ConnectionLimit, ThatLeavesNoConnectionsIsAnErrorAtTheStart) {
  write_file(dir_ / "hangup.yaml",
             configuration() + "outbox: {path: \"" + (dir_ / "outbox.db").string() + "\"}\n");
  const Finished finished =
      run({"prlimit", "--nofile=100", binary(), "run", "-c", (dir_ / "hangup.yaml").string()});
  EXPECT_EQ(finished.exit.status, 3) << finished.err;
  EXPECT_TRUE(finished.err.contains("the limit on open files is 100")) << finished.err;
}

}  // namespace
}  // namespace hangup::test
