// No descriptors left: nothing spins, nothing that was begun is lost, and service comes back by itself.
#include "e2e/fixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <thread>

namespace hangup::test {
namespace {

constexpr std::size_t none = 10;  // all below are in use: no new one, whatever is closed
constexpr std::size_t enough = 1024;

class Descriptors : public EndToEnd {
 protected:
  std::size_t lines_with(std::string_view part) const {
    const std::string log = hangup->log();
    std::size_t count = 0;
    for (std::size_t at = log.find(part); at != std::string::npos; at = log.find(part, at + 1)) ++count;
    return count;
  }
  void wait_until_starved() const {
    eventually("accept to fail", [&] { return hangup->log().contains("cannot accept connections"); });
  }
};

TEST_F(Descriptors, ThatAreUsedUpMakeNewClientsWaitWithoutSpinning) {
  start();
  EXPECT_EQ(connect().exchange(get("/work")).body, "ok");
  hangup->limit_descriptors(none);
  std::deque<Client> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(connect());
    waiting.back().send(get("/work"));
  }
  wait_until_starved();
  const auto before = hangup->cpu_time();
  std::this_thread::sleep_for(1s);  // what it costs to have nothing, is to be seen over a time only
  EXPECT_LT(hangup->cpu_time() - before, sanitized ? 500ms : 100ms);
  EXPECT_LE(lines_with("cannot accept connections"), 2U) << "a line for each is a flood";
  EXPECT_TRUE(hangup->log().contains("Too many open files")) << hangup->log();

  hangup->limit_descriptors(enough);
  for (Client& client : waiting) EXPECT_EQ(client.read_response().body, "ok");
}

TEST_F(Descriptors, ThatAreUsedUpLeaveExchangesInFlightAlone) {
  upstream.on("/stream", Script().send(chunked_head() + chunk("one")));
  start();
  Client client = connect();
  client.send(get("/stream"));
  client.read_head();
  client.read_body(3);
  const RequestRecord request = upstream.wait_for_request("/stream");
  hangup->limit_descriptors(none);
  const Client waiting = connect();
  wait_until_starved();
  upstream.send(request, chunk("two") + std::string(last_chunk));
  EXPECT_EQ(client.finish().body, "onetwo");
  // Its connection to the server is used again: no new descriptor is needed.
  upstream.on("/next", respond(200, "next"));
  EXPECT_EQ(client.exchange(get("/next")).body, "next");
}

TEST_F(Descriptors, ThatOthersGiveBackLetTheNextClientIn) {
  Yaml yaml;
  yaml.workers = 1;  // whose connection to the server is used again
  start(yaml);
  Client first = connect();
  EXPECT_EQ(first.exchange(get("/work")).body, "ok");
  hangup->limit_descriptors(hangup->descriptors());
  Client second = connect();
  second.send(get("/work"));
  wait_until_starved();
  first.close();
  EXPECT_EQ(second.read_response().body, "ok");
}

TEST_F(Descriptors, MissingForAServersConnectionAreAnswered503) {
  Yaml yaml;
  yaml.upstream = "connections: {keepalive: 0}";
  start(yaml);
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/warm-up")).body, "ok");
  hangup->limit_descriptors(none);
  const Response response = client.exchange(get("/work"));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.header("Retry-After"), "1");
  hangup->limit_descriptors(enough);
  EXPECT_EQ(client.exchange(get("/again")).body, "ok");
  const Json exchange = only_exchange("/work");
  EXPECT_EQ(exchange.at("outcome"), "rejected") << exchange;
  EXPECT_NE(exchange.at("error").get<std::string>().find("Too many open files"), std::string::npos)
      << exchange;
  expect_no_call(exchange);
}

TEST_F(Descriptors, MissingForOneServersConnectionAreNotNeededForAnIdleOneToAnother) {
  MockUpstream other;
  other.otherwise(respond(200, "ok"));
  Yaml yaml;
  yaml.workers = 1;
  yaml.servers = fmt::format(R"("{}", "{}")", upstream.url(), other.url());
  start(yaml);
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/warm-up")).body, "ok");  // one of them has an idle connection now
  hangup->limit_descriptors(none);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(client.exchange(get("/work")).body, "ok");  // in turn
  EXPECT_TRUE(upstream.request_count() == 0 || other.request_count() == 0);
}

TEST_F(Descriptors, MissingForACleanupPutItOff) {
  upstream.on("/work", never_answer());
  start();
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  hangup->limit_descriptors(none);
  client.close();
  upstream.wait_for_close(request);
  hangup->wait_for_log("an attempt without a descriptor", [](const Json& line) {
    return line.at("type") == "cleanup" && line.at("result") == "retry" &&
           line.at("error").get<std::string>().contains("Too many open files");
  });
  EXPECT_TRUE(receiver.calls().empty());
  hangup->limit_descriptors(enough);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  only_call(exchange);
}

TEST_F(Descriptors, ThatAreUsedUpDoNotMakeTheAdminListenerSpin) {
  hangup = std::make_unique<Hangup>(configuration() + "admin: {address: \"127.0.0.1:0\"}\n");
  std::string where;
  eventually("the admin listener", [&] {
    const std::string log = hangup->log();
    const std::size_t at = log.find("admin listens at=");
    if (at == std::string::npos) return false;
    const std::size_t start = at + std::string_view("admin listens at=").size();
    where = log.substr(start, log.find('\n', start) - start);
    return true;
  });
  hangup->limit_descriptors(none);
  Client operator_(address(where));
  operator_.send("GET /live HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto before = hangup->cpu_time();
  std::this_thread::sleep_for(500ms);  // as above
  EXPECT_LT(hangup->cpu_time() - before, sanitized ? 300ms : 100ms);
  hangup->limit_descriptors(enough);
  EXPECT_EQ(operator_.read_response().status, 200);
  EXPECT_EQ(lines_with("Error from accept"), 0U) << hangup->log();
}

}  // namespace
}  // namespace hangup::test
