// Which of several servers gets a request, and what becomes of one that a server failed.
#include "e2e/admin_fixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace hangup::test {
namespace {

class Balancing : public AdminTest {
 protected:
  // The fixture's upstream with this weight, and a second one with that.
  std::string weights(int first, int second) const {
    return fmt::format(R"({{url: "{}", weight: {}}}, {{url: "{}", weight: {}}})", upstream.url(), first,
                       other.url(), second);
  }
  std::string both() const { return weights(1, 1); }
  // Of one client, on one connection.
  void send_quick(int count, const FieldList& fields = {}) {
    Client client = connect();
    for (int i = 0; i < count; ++i) EXPECT_EQ(client.exchange(get("/quick", fields)).status, 200);
  }
  // Starts with one worker, so that turns are exact.
  void begin(const std::string& servers, const std::string& upstream_members) {
    start_with({}, {.servers = servers, .upstream = upstream_members, .workers = 1});
  }

  MockUpstream other;
};

TEST_F(Balancing, RoundRobinGoesByTheWeights) {
  begin(weights(3, 1), "balance: round_robin");
  send_quick(40);
  EXPECT_EQ(upstream.request_count(), 30U);
  EXPECT_EQ(other.request_count(), 10U);
}

TEST_F(Balancing, LeastRequestsGoByTheWeights) {
  for (MockUpstream* server : {&upstream, &other}) server->on("/hold", never_answer());
  begin(weights(2, 1), "balance: least_requests");
  std::vector<Client> clients;
  for (std::size_t i = 1; i <= 9; ++i) {
    clients.push_back(connect());
    clients.back().send(get("/hold"));
    eventually("the request to arrive",
               [&] { return upstream.request_count() + other.request_count() == i; });
  }
  EXPECT_EQ(upstream.request_count(), 6U);
  EXPECT_EQ(other.request_count(), 3U);
}

TEST_F(Balancing, RandomTwoPreferTheIdle) {
  for (MockUpstream* server : {&upstream, &other}) server->on("/hold", never_answer());
  begin(both(), "balance: random_two");
  Client holder = connect();
  holder.send(get("/hold"));
  eventually("the request to arrive", [&] { return upstream.request_count() + other.request_count() == 1; });
  const MockUpstream& busy = upstream.request_count() == 1 ? upstream : other;
  send_quick(20);
  EXPECT_EQ(busy.request_count(), 1U) << "of two servers both are drawn";
}

TEST_F(Balancing, WeightZeroGetsNothingNewEvenWhenTheOthersAreDown) {
  const RefusingPort nobody;
  begin(fmt::format(R"({{url: "{}", weight: 0}}, "{}")", upstream.url(), nobody.url()), "");
  EXPECT_EQ(connect().exchange(get("/quick")).status, 502);
  EXPECT_EQ(upstream.request_count(), 0U);
}

TEST_F(Balancing, HashSticksToAServerThroughReconnectsAndWorkers) {
  start_with({}, {.servers = both(), .upstream = "balance: \"hash({request.header.x-user})\"", .workers = 2});
  for (int user = 0; user < 20; ++user) {
    for (int i = 0; i < 3; ++i) send_quick(1, {{"X-User", std::to_string(user)}});
  }
  std::map<std::string, std::size_t> servers_of_users;
  for (const MockUpstream* server : {&upstream, &other}) {
    std::map<std::string, int> users;
    for (const RequestRecord& request : server->requests()) ++users[request.message.header("X-User").value()];
    EXPECT_FALSE(users.empty());
    for (const auto& [user, count] : users) {
      EXPECT_EQ(count, 3) << user;
      ++servers_of_users[user];
    }
  }
  EXPECT_EQ(servers_of_users.size(), 20U);
}

TEST_F(Balancing, HashWithoutAValueTakesTurns) {
  begin(both(), "balance: \"hash({request.header.x-user})\"");
  send_quick(10);
  EXPECT_EQ(upstream.request_count(), 5U);
  EXPECT_EQ(other.request_count(), 5U);
}

TEST_F(Balancing, ServerThatIsDownIsLeftAloneForAWhile) {
  const RefusingPort nobody;
  begin(fmt::format(R"("{}", "{}")", nobody.url(), upstream.url()), "balance: round_robin");
  send_quick(20);
  EXPECT_EQ(upstream.request_count(), 20U);
  EXPECT_TRUE(page("/metrics")
                  .body.contains(fmt::format(
                      "hangup_server_connects_total{{upstream=\"app\",server=\"{}\",result=\"failed\"}} 1\n",
                      nobody.url())))
      << page("/metrics").body;
}

TEST_F(Balancing, KeyOfAServerThatIsDownGoesToTheOther) {
  const RefusingPort nobody;
  begin(fmt::format(R"("{}", "{}")", nobody.url(), upstream.url()),
        "balance: \"hash({request.header.x-user})\"");
  for (int user = 0; user < 10; ++user) send_quick(1, {{"X-User", std::to_string(user)}});
  EXPECT_EQ(upstream.request_count(), 10U);
}

class Retrying : public Balancing {
 protected:
  Retrying() { upstream.on("/work", Script().close()), other.on("/work", respond(200, "other")); }
  // The server of weight 100 comes first.
  std::string failing_first() const { return weights(100, 1); }
  double metric(const std::string& sample) const {
    const std::string body = page("/metrics").body;
    const std::size_t at = body.find("\n" + sample + " ");
    if (at == std::string::npos) throw std::runtime_error("there is no sample " + sample);
    return std::stod(body.substr(at + sample.size() + 2));
  }
  double retries(const std::string& cause) const {
    return metric("hangup_upstream_retries_total{upstream=\"app\",cause=\"" + cause + "\"}");
  }
};

TEST_F(Retrying, GetThatWasNotAnsweredGoesToTheNextServer) {
  begin(failing_first(), "");
  EXPECT_EQ(connect().exchange(get("/work")).body, "other");
  EXPECT_EQ(upstream.request_count(), 1U);
  EXPECT_EQ(retries("reset"), 1);
  EXPECT_EQ(retries("connect"), 0);
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "streaming_response", 200);
  EXPECT_EQ(exchange.at("upstream"), other.url());
  EXPECT_EQ(exchange.at("tried"), Json{upstream.url()});
  EXPECT_EQ(upstream.requests()[0].message.header("X-Request-Id"),
            other.requests()[0].message.header("X-Request-Id"));
}

TEST_F(Retrying, ResetIsAsGoodAsAClose) {
  upstream.on("/work", Script().reset());
  begin(failing_first(), "");
  EXPECT_EQ(connect().exchange(get("/work")).body, "other");
}

TEST_F(Retrying, PostWhoseHeadWasSentGoesToNoOther) {
  begin(failing_first(), "retries: {on: [connect, reset_before_head, 502, 503, 504]}");
  EXPECT_EQ(connect().exchange(test::post("/work", "pay 10"), "POST").status, 502);
  expect_end(only_exchange(), "upstream_reset", "awaiting_response", 502);
  EXPECT_EQ(upstream.request_count(), 1U);
  EXPECT_EQ(other.request_count(), 0U);
}

TEST_F(Retrying, PutWhoseBodyIsGoneGoesToNoOther) {
  upstream.on("/work", Script().after_body().close());
  begin(failing_first(), "");
  EXPECT_EQ(connect().exchange(request("PUT", "/work", {}, "body"), "PUT").status, 502);
  drain();
  EXPECT_EQ(other.request_count(), 0U);
}

// What hangup holds whole, since it plants fields in it, it can send again.
TEST_F(Retrying, PutWhoseBodyIsKeptGoesToTheNextServerWithIt) {
  upstream.on("/work", Script().after_body().close());
  start_with(
      {},
      {.servers = failing_first(), .route = "request: {set_json: {rid: \"{request.id}\"}}", .workers = 1});
  EXPECT_EQ(
      connect().exchange(request("PUT", "/work", {{"Content-Type", "application/json"}}, "{}"), "PUT").body,
      "other");
  EXPECT_EQ(upstream.requests()[0].message.body, other.requests()[0].message.body);
}

TEST_F(Retrying, AnswerThatHasBegunIsNotAskedForTwice) {
  upstream.on("/work", Script().send("HTTP/1.1 2").close());
  begin(failing_first(), "");
  EXPECT_EQ(connect().exchange(get("/work")).status, 502);
  drain();
  EXPECT_EQ(other.request_count(), 0U);
}

TEST_F(Retrying, NoServerGetsItTwice) {
  other.on("/work", Script().close());
  begin(failing_first(), "retries: {attempts: 10}");
  EXPECT_EQ(connect().exchange(get("/work")).status, 502);
  expect_end(only_exchange(), "upstream_reset", "awaiting_response", 502);
  EXPECT_EQ(upstream.request_count(), 1U);
  EXPECT_EQ(other.request_count(), 1U);
}

TEST_F(Retrying, AttemptsAreFurtherServers) {
  MockUpstream third;
  for (MockUpstream* server : {&other, &third}) server->on("/work", Script().close());
  for (const std::size_t attempts : {0U, 1U, 2U}) {
    const auto before = upstream.request_count() + other.request_count() + third.request_count();
    begin(both() + ", \"" + third.url() + '"', fmt::format("retries: {{attempts: {}}}", attempts));
    EXPECT_EQ(connect().exchange(get("/work")).status, 502);
    EXPECT_EQ(upstream.request_count() + other.request_count() + third.request_count() - before,
              attempts + 1);
  }
}

TEST_F(Retrying, AttemptsBoundConnectsToo) {
  const std::array<RefusingPort, 3> nobody;
  begin(fmt::format(R"("{}", "{}", "{}", {{url: "{}", weight: 1}})", nobody[0].url(), nobody[1].url(),
                    nobody[2].url(), upstream.url()),
        "retries: {attempts: 2}");
  EXPECT_EQ(connect().exchange(get("/quick")).status, 502);
  EXPECT_EQ(retries("connect"), 2);
  EXPECT_EQ(connect().exchange(get("/quick")).status, 200) << "those that are down come last";
  EXPECT_EQ(retries("connect"), 2);
  drain();
  const Json failed = hangup->access_log("exchange").at(0);
  EXPECT_EQ(failed.at("tried"), (Json{nobody[0].url(), nobody[1].url()}));
  EXPECT_EQ(failed.at("upstream"), nobody[2].url());
}

TEST_F(Retrying, WhatIsNotListedIsTheClients) {
  const RefusingPort nobody;
  begin(fmt::format(R"("{}", "{}")", nobody.url(), upstream.url()), "retries: {on: reset_before_head}");
  EXPECT_EQ(connect().exchange(get("/quick")).status, 502);
  begin(failing_first(), "retries: {on: connect}");
  EXPECT_EQ(connect().exchange(get("/work")).status, 502);
  EXPECT_EQ(other.request_count(), 0U);
}

TEST_F(Retrying, StatusThatIsListedGoesToTheNextServer) {
  upstream.on("/work", respond(503, "busy"));
  begin(failing_first(), "retries: {on: [503, 504]}");
  EXPECT_EQ(connect().exchange(get("/work")).body, "other");
  EXPECT_EQ(retries("status"), 1);
  Client client = connect();
  EXPECT_EQ(client.exchange(test::post("/work", "once"), "POST").body, "busy");
  other.on("/work", respond(504, "late"));
  EXPECT_EQ(client.exchange(get("/work")).body, "late") << "the last one's answer is the answer";
}

TEST_F(Retrying, StatusIsKeptWhenNoOtherServerIsUp) {
  const RefusingPort nobody;
  upstream.on("/work", respond(503, "busy"));
  begin(fmt::format(R"("{}", "{}")", upstream.url(), nobody.url()), "retries: {on: [connect, 503]}");
  send_quick(2);  // the second one finds nobody
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/work")).body, "busy");
}

TEST_F(Retrying, BudgetThatIsSpentLeavesTheFailureToTheClient) {
  begin(failing_first(), "retries: {budget: 10%, min_per_second: 0}");
  Client client = connect();
  send_quick(19);
  std::map<int, int> statuses;
  for (int i = 0; i < 11; ++i) ++statuses[client.exchange(get("/work")).status];  // 30 requests in all
  EXPECT_EQ(statuses[200], 3);
  EXPECT_EQ(statuses[502], 8);
  EXPECT_EQ(retries("reset"), 3);
  EXPECT_EQ(metric("hangup_upstream_retries_over_budget_total{upstream=\"app\"}"), 8);
}

TEST_F(Retrying, BudgetIsNotForConnectsThatFail) {
  const RefusingPort nobody;
  begin(fmt::format(R"("{}", "{}")", nobody.url(), upstream.url()),
        "retries: {budget: 0%, min_per_second: 0}");
  EXPECT_EQ(connect().exchange(test::post("/quick", "once"), "POST").status, 200);
}

TEST_F(Retrying, CleanupOfAClientThatLeavesLaterIsCalledOnce) {
  other.on("/work", never_answer());
  begin(failing_first(), "");
  Client client = connect();
  client.send(get("/work"));
  other.wait_for_request("/work");
  client.close();
  other.wait_for_close(other.wait_for_request("/work"));
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  only_call(exchange);
}

class Overload : public Balancing {};

TEST_F(Overload, SaysWhenToComeBack) {
  begin('"' + upstream.url() + '"', "connections: {max: 1, queue: 0, retry_after: 7s}");
  Client holder = connect();
  holder.send(get("/work"));
  upstream.wait_for_request("/work");
  const Response refused = connect().exchange(get("/quick"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "7");
}

TEST_F(Overload, SaysWhenToComeBackAfterALongWaitToo) {
  begin('"' + upstream.url() + '"', "connections: {max: 1, queue_timeout: 50ms}");
  Client holder = connect();
  holder.send(get("/work"));
  upstream.wait_for_request("/work");
  const Response refused = connect().exchange(get("/quick"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  holder.close();
  expect_end(only_exchange("/quick"), "rejected", "queued", 503);
}

// Its keys go to the next as long as it is full.
TEST_F(Overload, OfOneServerIsMadeUpByTheNext) {
  for (MockUpstream* server : {&upstream, &other}) server->on("/hold", never_answer());
  begin(both(), "balance: \"hash({request.header.x-user})\", connections: {max: 1}");
  std::array<Client, 2> holders = {connect(), connect()};
  for (Client& holder : holders) holder.send(get("/hold", {{"X-User", "ann"}}));
  upstream.wait_for_request("/hold");
  other.wait_for_request("/hold");
}

}  // namespace
}  // namespace hangup::test
