// Many at once, and then nothing left over.
#include "e2e/fixture.h"

#include <algorithm>
#include <csignal>
#include <deque>
#include <set>

namespace hangup::test {
namespace {

using Scale = EndToEnd;

TEST_F(Scale, ThousandsOfQuickRequestsCallNoCleanup) {
  constexpr std::size_t clients = 50;
  constexpr std::size_t rounds = 100;
  Yaml yaml;
  yaml.route =
      "cleanup_on: [client_gone, client_timeout, upstream_unreachable, upstream_timeout, upstream_reset, "
      "upstream_invalid, rejected, deadline, shutdown]";
  start(yaml);
  std::deque<Client> all;
  for (std::size_t i = 0; i < clients; ++i) all.push_back(connect());
  const std::string request = get("/quick");
  for (std::size_t round = 0; round < rounds; ++round) {
    for (Client& client : all) client.send(request);
    for (Client& client : all) ASSERT_EQ(client.read_response().body, "ok");
  }
  // Leaving right after the answer is no disconnect either.
  for (Client& client : all) client.close();
  hangup->wait_for_exchanges(clients * rounds);
  drain();

  const auto exchanges = hangup->access_log("exchange");
  EXPECT_EQ(exchanges.size(), clients * rounds);
  EXPECT_EQ(std::ranges::count(exchanges, "completed", [](const Json& line) { return line.at("outcome"); }),
            static_cast<std::ptrdiff_t>(clients * rounds));
  std::set<std::string> ids;
  for (const Json& line : exchanges) ids.insert(line.at("request_id").get<std::string>());
  EXPECT_EQ(ids.size(), clients * rounds);
  EXPECT_TRUE(receiver.calls().empty());
  EXPECT_EQ(upstream.request_count(), clients * rounds);
}

// Two thousand clients in flight that all leave at once.
TEST_F(Scale, TwoThousandDisconnectsAtOnceAreAsManyAbortsAndCleanupsAndNothingIsLeft) {
  constexpr std::size_t count = 2000;
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.upstream = "connections: {max: 3000, keepalive: 0}";
  start(yaml);
  const std::size_t idle_descriptors = hangup->descriptors();
  EXPECT_EQ(connect().exchange(get("/warm-up")).status, 200);
  eventually("an idle hangup", [&] { return hangup->descriptors() <= idle_descriptors; });
  const std::uint64_t idle_memory = hangup->resident_bytes();

  std::deque<Client> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(connect());
    clients.back().send(get("/work"));
  }
  upstream.wait_for_requests(count + 1);
  EXPECT_GE(hangup->descriptors(), idle_descriptors + 2 * count);
  const std::size_t closed_before = upstream.close_count();

  // However long closing takes here: to hangup, stopped meanwhile, they all leave in one moment.
  hangup->signal(SIGSTOP);
  for (std::size_t i = 0; i < count; ++i) i % 2 == 0 ? clients[i].close() : clients[i].reset();
  hangup->signal(SIGCONT);
  upstream.wait_for_closes(closed_before + count);
  receiver.wait_for_calls(count);
  hangup->wait_for_exchanges(count + 1);

  eventually("as few descriptors as before", [&] { return hangup->descriptors() <= idle_descriptors; });
  if (!sanitized) {
    EXPECT_LT(hangup->resident_bytes(), idle_memory + (32U << 20U));
  }
  EXPECT_EQ(connect().exchange(get("/alive")).status, 200);
  drain();

  std::set<std::string> gone;
  std::size_t others = 0;
  for (const Json& line : hangup->access_log("exchange")) {
    if (line.at("outcome") == "client_gone") {
      gone.insert(line.at("request_id").get<std::string>());
    } else {
      ++others;
    }
  }
  EXPECT_EQ(gone.size(), count);
  EXPECT_EQ(others, 2U);
  std::set<std::string> cleaned;
  for (const Call& call : receiver.calls()) {
    cleaned.insert(call.body.at("data").at("request_id").get<std::string>());
  }
  EXPECT_EQ(receiver.calls().size(), count);
  EXPECT_EQ(cleaned, gone);
}

// Connections that come and go in every state leave nothing behind.
TEST_F(Scale, ChurnLeavesNoDescriptors) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.upstream = "connections: {keepalive: 0}";
  start(yaml);
  const std::size_t idle = hangup->descriptors();
  for (int i = 0; i < 300; ++i) {
    Client client = connect();
    switch (i % 6) {
      case 0:
        break;
      case 1:
        client.send("GET /work HT");
        break;
      case 2:
        client.send(get("/work"));
        break;
      case 3:
        client.send(get("/quick") + get("/work"));
        break;
      case 4:
        client.send(post("/work", "x").substr(0, 60));
        break;
      default:
        client.send("garbage\r\n\r\n");
        break;
    }
    i % 4 < 2 ? client.close() : client.reset();
  }
  eventually("as few descriptors as before", [&] { return hangup->descriptors() <= idle; });
  EXPECT_EQ(connect().exchange(get("/alive")).status, 200);
  drain();
}

}  // namespace
}  // namespace hangup::test
