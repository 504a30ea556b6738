// Clients that send without end what never becomes a request, or as many pieces as there can be.
#include "e2e/attack_test.h"

#include <fmt/format.h>

#include <thread>

namespace hangup::test {
namespace {

class FloodAttack : public Attack {
 protected:
  // Sends `opening` and then `again` over and over, megabytes of it. The first of it has to be refused with
  // that status, which such a client can still read, while others are served.
  void expect_refused(const std::string& opening, const std::string& again, int status) {
    Yaml yaml;
    yaml.listener = "limits: {body_bytes: 1MiB}";
    start_calm(yaml);
    Client client = connect();
    client.send(opening);
    std::string block;
    while (block.size() < 64 * 1024) block += again;
    for (int i = 0; i < 64 && client.try_send(block); ++i) {
    }
    expect_others_served();
    EXPECT_EQ(client.read_response("POST").status, status);
    client.wait_for_close();
    expect_memory_below(8U << 20U);
    drain();
    const auto exchanges = hangup->access_log("exchange");
    EXPECT_EQ(std::ranges::count(exchanges, "rejected", [](const Json& line) { return line.at("outcome"); }),
              1);
    for (const RequestRecord& request : upstream.requests()) {
      if (request.message.target == "/flood") {
        EXPECT_FALSE(request.message.complete);
      }
    }
  }
  static std::string chunked(const std::string& target) {
    return "POST " + target + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  }
};

TEST_F(FloodAttack, OfFieldsIsRefused) {
  expect_refused("GET /flood HTTP/1.1\r\nHost: a\r\n", "X-A: b\r\n", 431);
}

TEST_F(FloodAttack, OfOneFieldIsRefused) {
  expect_refused("GET /flood HTTP/1.1\r\nHost: a\r\nX-A: ", "a", 431);
}

TEST_F(FloodAttack, OfATargetIsRefused) {
  expect_refused("GET /", "a", 414);
}

TEST_F(FloodAttack, OfAMethodIsRefused) {
  expect_refused("G", "G", 501);
}

TEST_F(FloodAttack, OfEmptyLinesBeforeARequestIsRefused) {
  expect_refused("\r\n", "\r\n", 400);
}

TEST_F(FloodAttack, OfZerosOfAChunksSizeIsRefused) {
  expect_refused(chunked("/flood") + chunk("good"), "0", 400);
}

TEST_F(FloodAttack, OfAChunksExtensionsIsRefused) {
  expect_refused(chunked("/flood") + chunk("good") + "4", ";a=b", 400);
}

TEST_F(FloodAttack, OfTrailersIsRefused) {
  expect_refused(chunked("/flood") + chunk("good") + "0\r\n", "X-A: b\r\n", 431);
}

TEST_F(FloodAttack, OfOneTrailerIsRefused) {
  expect_refused(chunked("/flood") + chunk("good") + "0\r\nX-A: ", "a", 431);
}

TEST_F(FloodAttack, OfABodyBeyondItsLimitIsRefused) {
  expect_refused(chunked("/flood"), chunk(std::string(1024, 'x')), 413);
}

// What comes behind the last answer is thrown away, so that the answer arrives; but not for ever.
TEST_F(FloodAttack, BehindTheLastAnswerEndsWithTheConnection) {
  start_calm();
  Client client = connect();
  client.send("no request\r\n");
  const std::string block(64 * 1024, 'x');
  const Time deadline = deadline_from_now();
  while (client.try_send(block)) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  expect_others_served();
  expect_memory_below(8U << 20U);
}

// Responses that nobody reads stop hangup from reading more requests.
TEST_F(FloodAttack, OfPipelinedRequestsIsNotReadWithoutBound) {
  start_calm();
  Client client = connect({.receive = 4096, .send = 4096});
  std::string block;
  while (block.size() < 64 * 1024) block += get("/pipelined");
  client.send_until_blocked(block, 32U << 20U);
  expect_others_served();
  expect_memory_below(8U << 20U);
  client.reset();
  expect_others_served();
}

// Each piece of a head is looked at once, and what came before it is not touched again.
TEST_F(FloodAttack, OfPiecesCostsNoMoreBehindALargeHeadThanBehindASmallOne) {
  Yaml yaml;
  yaml.workers = 1;
  yaml.listener = "limits: {header_bytes: 16MiB, headers: 10}";
  start_calm(yaml);
  const auto cost_behind = [&](std::size_t size) {
    Client slow = connect();
    slow.send("GET /head HTTP/1.1\r\nHost: a\r\nX-Large: " + std::string(size, 'a'));
    Client other = connect();
    for (int i = 0; i < 100; ++i) other.exchange(get("/bystander"));
    const auto before = hangup->cpu_time();
    for (int i = 0; i < 500; ++i) {
      slow.send("a");
      other.exchange(get("/bystander"));  // so that the piece is read by itself
    }
    return hangup->cpu_time() - before;
  };
  const auto small = cost_behind(1024);
  const auto large = cost_behind(8U << 20U);
  EXPECT_LT(large, 3 * small + 50ms) << small.count() << " ns behind a small one";
  expect_memory_below(64U << 20U);
}

TEST_F(FloodAttack, OfSmallFieldsCostsInProportion) {
  Yaml yaml;
  yaml.listener = "limits: {header_bytes: 1MiB, headers: 10000}";
  start_calm(yaml);
  expect_linear(4000, [&](std::uint64_t count) {
    std::string fields;
    for (std::uint64_t i = 0; i < count; ++i) fields += "A: b\r\n";
    for (int i = 0; i < 4; ++i) {
      // Whatever the server makes of so many.
      Client client = connect();
      client.send("GET /fields HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
      client.read_response();
    }
  });
}

TEST_F(FloodAttack, OfTinyChunksCostsInProportion) {
  Yaml yaml;
  yaml.listener = "limits: {body_bytes: 64MiB}";
  start_calm(yaml);
  expect_linear(200'000, [&](std::uint64_t count) {
    std::string block;
    for (int i = 0; i < 1000; ++i) block += "1\r\na\r\n";
    Client client = connect();
    client.send(chunked("/chunks"));
    for (std::uint64_t sent = 0; sent < count; sent += 1000) client.send(block);
    client.send(last_chunk);
    EXPECT_EQ(client.read_response("POST").body, "ok");
  });
  expect_memory_below(8U << 20U);
}

TEST_F(FloodAttack, OfABodyByteByByteCostsInProportion) {
  Yaml yaml;
  yaml.workers = 1;
  start_calm(yaml);
  Client other = connect();
  expect_linear(3000, [&](std::uint64_t size) {
    Client client = connect();
    client.send(fmt::format("POST /bytes HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", size));
    for (std::uint64_t sent = 0; sent < size; ++sent) {
      client.send("a");
      other.exchange(get("/bystander"));  // so that the byte is read by itself
    }
    EXPECT_EQ(client.read_response("POST").body, "ok");
  });
}

// A client that sends as fast as it can has no more than its share of a worker.
TEST_F(FloodAttack, OfOneWorkerLeavesItToOthersToo) {
  Yaml yaml;
  yaml.workers = 1;
  yaml.listener = "limits: {body_bytes: 1GiB}";
  start_calm(yaml);
  Client flooder = connect();
  flooder.send("PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
  std::jthread flood([&](const std::stop_token& stop) {
    const std::string block(256 * 1024, 'x');
    while (!stop.stop_requested() && flooder.try_send(block)) {
    }
  });
  upstream.wait_for_body("/upload", 1 << 20);
  for (int i = 0; i < 50; ++i) expect_others_served();
  flood.request_stop();
}

}  // namespace
}  // namespace hangup::test
