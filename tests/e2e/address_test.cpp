// Where hangup listens and where it connects to: IPv4, IPv6 and UNIX sockets, one server or several.
#include "e2e/fixture.h"

#include <fmt/format.h>

#include <fstream>

namespace hangup::test {
namespace {

class Addresses : public EndToEnd {
 protected:
  TempDir dir_;
};

TEST_F(Addresses, OfUnixSocketsWorkOnBothSides) {
  MockUpstream local({.address = "unix:" + (dir_ / "backend.sock").string()});
  Yaml yaml;
  yaml.address = "unix:" + (dir_ / "front.sock").string();
  yaml.servers = '"' + local.url() + '"';
  start(yaml);
  EXPECT_TRUE(hangup->where().is_unix());
  EXPECT_EQ(connect().exchange(post("/work", "body"), "POST").body, "ok");
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "streaming_response", 200);
  EXPECT_EQ(exchange.at("client"), "unix");
  EXPECT_EQ(exchange.at("upstream"), local.url());
}

TEST_F(Addresses, OfUnixSocketsShowDisconnectsToo) {
  MockUpstream local({.address = "unix:" + (dir_ / "backend.sock").string()});
  local.otherwise(never_answer());
  Yaml yaml;
  yaml.address = "unix:" + (dir_ / "front.sock").string();
  yaml.servers = '"' + local.url() + '"';
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = local.wait_for_request("/work");
  client.close();
  local.wait_for_close(request);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  only_call(exchange);
}

TEST_F(Addresses, OfUnixSocketsLeftBehindAreTakenOver) {
  const auto path = dir_ / "front.sock";
  {
    listen_on(address("unix:" + path.string()), 1);
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  Yaml yaml;
  yaml.address = "unix:" + path.string();
  start(yaml);
  EXPECT_EQ(connect().exchange(get("/work")).body, "ok");
  drain();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Addresses, OfIpv6Work) {
  MockUpstream six({.address = "[::1]:0"});
  Yaml yaml;
  yaml.address = "[::1]:0";
  yaml.servers = '"' + six.url() + '"';
  start(yaml);
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/work")).body, "ok");
  EXPECT_EQ(six.requests().front().message.header("X-Forwarded-For"), "::1");
  EXPECT_EQ(only_exchange().at("client"), client.local().to_string());
}

TEST_F(Addresses, OfSeveralListenersAreAllServed) {
  const std::string all = configuration();
  const std::string listener = "  - {name: public, address: \"127.0.0.1:0\"}\n";
  std::string two = all;
  two.insert(two.find(listener), "  - {name: second, address: \"127.0.0.1:0\"}\n");
  hangup = std::make_unique<Hangup>(two, 2);
  EXPECT_NE(hangup->where(0).port(), hangup->where(1).port());
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(Client(hangup->where(i)).exchange(get("/work")).body, "ok");
}

TEST_F(Addresses, OfServersTakeTurns) {
  MockUpstream other;
  Yaml yaml;
  yaml.workers = 1;
  yaml.servers = fmt::format(R"("{}", "{}")", upstream.url(), other.url());
  yaml.upstream = "balance: round_robin";
  start(yaml);
  Client client = connect();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.exchange(get("/work")).body, "ok");
  EXPECT_EQ(upstream.request_count(), 5U);
  EXPECT_EQ(other.request_count(), 5U);
}

TEST_F(Addresses, OfServersWithFewerRequestsArePreferred) {
  MockUpstream other;
  for (MockUpstream* server : {&upstream, &other}) server->on("/hold", never_answer());
  Yaml yaml;
  yaml.servers = fmt::format(R"("{}", "{}")", upstream.url(), other.url());
  yaml.upstream = "balance: least_requests";
  start(yaml);
  Client holder = connect();
  holder.send(get("/hold"));
  eventually("the held request", [&] { return upstream.request_count() + other.request_count() == 1; });
  const MockUpstream& busy = upstream.request_count() == 1 ? upstream : other;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(connect().exchange(get("/work")).body, "ok");
  EXPECT_EQ(busy.request_count(), 1U);
}

class Curl : public EndToEnd {
 protected:
  std::string curl(std::vector<std::string> arguments) {
    std::vector<std::string> argv{"curl", "--silent", "--show-error", "--max-time", "20"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    Finished finished = ::hangup::test::run(argv);
    EXPECT_EQ(finished.exit.status, 0) << finished.err;
    return finished.out;
  }
  TempDir dir_;
};

TEST_F(Curl, GetsAndPosts) {
  start();
  EXPECT_EQ(curl({hangup->url("/work")}), "ok");
  EXPECT_EQ(curl({"--data", "a=b", hangup->url("/work")}), "ok");
  EXPECT_EQ(upstream.requests().back().message.body, "a=b");
  EXPECT_EQ(curl({"--http1.0", hangup->url("/work")}), "ok");
  EXPECT_TRUE(curl({"--head", hangup->url("/work")}).starts_with("HTTP/1.1 200"));
}

TEST_F(Curl, UploadsWithExpectContinueAndInChunks) {
  start();
  const std::string body = noise(2 << 20);
  write_file(dir_ / "upload", body);
  const std::string file = (dir_ / "upload").string();
  EXPECT_EQ(curl({"--http1.1", "-T", file, hangup->url("/put")}), "ok");
  EXPECT_EQ(curl({"--http1.1", "-T", file, "-H", "Expect: 100-continue", hangup->url("/expect")}), "ok");
  EXPECT_EQ(curl({"--http1.1", "-T", file, "-H", "Transfer-Encoding: chunked", hangup->url("/chunked")}),
            "ok");
  for (const RequestRecord& request : upstream.requests()) {
    EXPECT_EQ(request.message.digest.value(), Digest().add(body).value()) << request.message.target;
  }
  EXPECT_EQ(upstream.request_count(), 3U);
}

TEST_F(Curl, KilledByItsUserIsAClientThatIsGone) {
  upstream.on("/slow", never_answer());
  start();
  Process curl({"curl", "--silent", hangup->url("/slow")}, dir_ / "out", dir_ / "err");
  const RequestRecord request = upstream.wait_for_request("/slow");
  curl.signal(SIGINT);
  upstream.wait_for_close(request);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  only_call(exchange);
}

}  // namespace
}  // namespace hangup::test
