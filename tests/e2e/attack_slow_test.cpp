// Clients that hold connections by being slow, one or a thousand at once.
#include "e2e/attack_test.h"

#include <sys/resource.h>

#include <cerrno>
#include <deque>
#include <thread>

namespace hangup::test {
namespace {

using SlowAttack = Attack;

constexpr std::size_t many = 1000;

TEST_F(SlowAttack, OfAThousandHeadsByteByByteEndsAtTheirDeadline) {
  Yaml yaml;
  yaml.listener = "timeouts: {header: 2s}";
  start_calm(yaml);
  std::deque<Client> clients;
  for (std::size_t i = 0; i < many; ++i) {
    clients.push_back(connect());
    clients.back().send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
  }
  std::size_t ended = 0;
  eventually("every slow head to be ended", [&] {
    for (Client& client : clients) client.try_send("a");
    expect_others_served();
    const auto exchanges = hangup->access_log("exchange");
    ended = static_cast<std::size_t>(
        std::ranges::count(exchanges, "client_timeout", [](const Json& line) { return line.at("outcome"); }));
    return ended == many;
  });
  expect_memory_below(32U << 20U);
  clients.clear();
  expect_others_served();
}

TEST_F(SlowAttack, OfAThousandRequestsThatStopInTheMiddleIsForgotten) {
  Yaml yaml;
  yaml.listener = "timeouts: {header: 1s, body_idle: 1s}";
  yaml.upstream = "connections: {max: 2000, keepalive: 0}";
  start_calm(yaml);
  const std::size_t calm = hangup->descriptors();
  std::deque<Client> clients;
  for (std::size_t i = 0; i < many; ++i) {
    clients.push_back(connect());
    clients.back().send(i % 2 == 0 ? "GET / HTTP/1.1\r\nHo"
                                   : "POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  }
  expect_others_served();
  hangup->wait_for_exchanges(many);
  expect_others_served();
  expect_memory_below(48U << 20U);
  clients.clear();
  eventually("as few descriptors as before", [&] { return hangup->descriptors() <= calm; });
}

// Each byte comes in time; the whole does not.
TEST_F(SlowAttack, OfABodyByteByByteEndsWithTheExchangesTotalTime) {
  Yaml yaml;
  yaml.listener = "timeouts: {body_idle: 5s}";
  yaml.upstream = "timeouts: {total: 2s}";
  start_calm(yaml);
  Client client = connect();
  client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  const RequestRecord request = upstream.wait_for_request("/slow");
  hangup->wait_for_log("the end of the exchange", [&](const Json& line) {
    client.try_send("a");
    return line.value("path", "") == "/slow";
  });
  upstream.wait_for_close(request);
  EXPECT_EQ(client.read_response("POST").status, 504);
  expect_end(only_exchange("/slow"), "deadline", "sending_request", 504);
}

TEST_F(SlowAttack, OfAReaderByteByByteEndsWithTheExchangesTotalTime) {
  upstream.on("/slow", Script().send(chunked_head()).send_endlessly(chunk(std::string(16 * 1024, 's'))));
  Yaml yaml;
  yaml.listener = "timeouts: {write_idle: 5s}";
  yaml.upstream = "timeouts: {total: 2s}";
  start_calm(yaml);
  Client client = connect({.receive = 4096});
  client.send(get("/slow"));
  client.read_head();
  const RequestRecord request = upstream.wait_for_request("/slow");
  std::uint64_t read = 0;
  hangup->wait_for_log("the end of the exchange", [&](const Json& line) {
    if (read < 64) client.read_body(++read);
    return line.value("path", "") == "/slow";
  });
  upstream.wait_for_close(request);
  expect_end(only_exchange("/slow"), "deadline", "streaming_response", 200);
}

TEST_F(SlowAttack, OfAThousandReadersEndsWhenTheyTakeNothing) {
  const std::string block = chunk(std::string(16 * 1024, 's'));
  upstream.on("/slow", Script().send(chunked_head()).send_endlessly(block));
  Yaml yaml;
  yaml.listener = "timeouts: {write_idle: 1s}";
  yaml.upstream = "connections: {max: 2000, keepalive: 0}";
  start_calm(yaml);
  constexpr std::size_t readers = 200;  // the scripted server's memory is what bounds this
  std::deque<Client> clients;
  for (std::size_t i = 0; i < readers; ++i) {
    clients.push_back(connect({.receive = 4096}));
    clients.back().send(get("/slow"));
  }
  upstream.wait_for_requests(readers + 1);
  expect_others_served();
  hangup->wait_for_exchanges(readers + 2);
  upstream.wait_for_closes(readers);
  expect_memory_below(readers * (512U << 10U));
  const auto exchanges = hangup->access_log("exchange");
  EXPECT_EQ(
      std::ranges::count(exchanges, "client_timeout", [](const Json& line) { return line.at("outcome"); }),
      static_cast<std::ptrdiff_t>(readers));
}

// What an open connection costs that asks for nothing.
TEST_F(SlowAttack, OfTenThousandIdleConnectionsCostsAFewKilobytesEach) {
  constexpr std::size_t idle = 10'000;
  raise_descriptor_limit();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  // Of this process and of hangup: the connections, and what they need beside them.
  const rlimit needed{idle + 2000, idle + 2000};
  if (limit.rlim_max < needed.rlim_max && ::setrlimit(RLIMIT_NOFILE, &needed) != 0) {
    ASSERT_EQ(errno, EPERM);
    GTEST_SKIP() << "needs a hard limit of " << needed.rlim_max << " open files, here are " << limit.rlim_max
                 << ", and raising it is not permitted";
  }
  start_calm();
  std::deque<Client> clients;
  const auto cpu_before = hangup->cpu_time();
  for (std::size_t i = 0; i < idle; ++i) clients.push_back(connect());
  eventually("all to be accepted", [&] { return hangup->descriptors() >= idle; });
  expect_others_served();
  const std::uint64_t grown = hangup->resident_bytes() - calm_memory();
  RecordProperty("bytes_each", static_cast<int>(grown / idle));
  RecordProperty("cpu_us_each",
                 static_cast<int>((hangup->cpu_time() - cpu_before) / 1us) / static_cast<int>(idle));
  if (!sanitized) {
    EXPECT_LT(grown / idle, 8192U);
  }
  // Used once and idle again, as after a request.
  for (Client& client : clients) ASSERT_EQ(client.exchange(get("/once")).body, "ok");
  const std::uint64_t used = hangup->resident_bytes() - calm_memory();
  RecordProperty("bytes_each_used", static_cast<int>(used / idle));
  if (!sanitized) {
    EXPECT_LT(used / idle, 8192U);
  }
  const auto before = hangup->cpu_time();
  std::this_thread::sleep_for(500ms);  // what idling costs is to be seen over a time only
  EXPECT_LT(hangup->cpu_time() - before, sanitized ? 300ms : 50ms);
}

}  // namespace
}  // namespace hangup::test
