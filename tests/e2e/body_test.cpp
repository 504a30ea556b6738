// Bodies of every framing and size, both ways.
#include "e2e/fixture.h"

#include <fmt/format.h>

namespace hangup::test {
namespace {

using Bodies = EndToEnd;

constexpr std::uint64_t large = 64ULL << 20U;
constexpr std::uint64_t memory_bound = 8ULL << 20U;

TEST_F(Bodies, InChunksPassBothWays) {
  upstream.on("/work",
              Script().after_body().send(chunked_head() + chunk("one") + chunk(std::string(100'000, '2')) +
                                         std::string(last_chunk)));
  start();
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send(chunk("first;") + "7;ext=\"quoted\"\r\nsecond;\r\n" + std::string(last_chunk));
  const Response response = client.read_response("POST");
  EXPECT_EQ(response.framing, Message::Framing::chunked);
  EXPECT_EQ(response.body, "one" + std::string(100'000, '2'));
  const Message request = upstream.requests().front().message;
  EXPECT_EQ(request.framing, Message::Framing::chunked);
  EXPECT_EQ(request.body, "first;second;");
  EXPECT_EQ(client.exchange(get("/next")).body, "ok");
}

TEST_F(Bodies, WithTrailersKeepTheirEnd) {
  upstream.on("/work", Script().after_body().send(chunked_head() + chunk("down") + "0\r\nX-Sum: 1\r\n\r\n"));
  start();
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("up") +
              "0\r\nX-Sum: 2\r\n\r\n");
  EXPECT_EQ(client.read_response("POST").body, "down");
  EXPECT_EQ(upstream.requests().front().message.body, "up");
  EXPECT_EQ(client.exchange(get("/next")).body, "ok");
}

TEST_F(Bodies, StreamPieceByPieceBothWays) {
  upstream.on("/work", never_answer());
  start();
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("one"));
  const RequestRecord request = upstream.wait_for_body("/work", 3);
  client.send(chunk("two"));
  upstream.wait_for_body("/work", 6);
  upstream.send(request, chunked_head() + chunk("three"));
  client.read_head("POST");
  EXPECT_EQ(client.read_body(5).body, "three");
  client.send(chunk("four") + std::string(last_chunk));
  upstream.wait_for_whole_request("/work");
  upstream.send(request, chunk("five") + std::string(last_chunk));
  EXPECT_EQ(client.finish().body, "threefive");
  const Json exchange = only_exchange();
  EXPECT_EQ(exchange.at("bytes_in"), 10);
  EXPECT_EQ(exchange.at("bytes_out"), 9);
}

TEST_F(Bodies, WithoutFramingAreFramedForTheClient) {
  upstream.on("/work", Script().send(response_head(200, {}) + "until the end").close());
  start();
  Client client = connect();
  const Response response = client.exchange(get("/work"));
  EXPECT_EQ(response.body, "until the end");
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.framing, Message::Framing::chunked);
  EXPECT_EQ(client.exchange(get("/next")).body, "ok");
  expect_end(only_exchange("/work"), "completed", "streaming_response", 200);
}

TEST_F(Bodies, WithoutFramingPassToOldClients) {
  upstream.on("/work", Script().send("HTTP/1.0 200 OK\r\n\r\nuntil the end").close());
  start();
  Client client = connect();
  const Response response = client.exchange("GET /work HTTP/1.0\r\nHost: a\r\n\r\n");
  EXPECT_EQ(response.body, "until the end");
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(client.wait_for_close(), Closed::fin);
}

TEST_F(Bodies, OfAGetPassToo) {
  start();
  EXPECT_EQ(connect().exchange(request("GET", "/work", {}, "a query")).body, "ok");
  EXPECT_EQ(upstream.requests().front().message.body, "a query");
}

TEST_F(Bodies, OfZeroLengthPass) {
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").body, "ok");
  EXPECT_EQ(upstream.requests().front().message.header("Content-Length"), "0");
}

TEST_F(Bodies, OfManySizesArriveUnharmed) {
  upstream.otherwise([](const RequestRecord& request) {
    const std::string size = request.message.header("X-Size").value_or("0");
    return respond(200, noise(std::stoul(size)));
  });
  start();
  Client client = connect();
  for (const std::size_t size :
       {1U, 1023U, 4096U, 16'383U, 65'535U, 65'536U, 65'537U, 262'144U, 1'000'003U}) {
    const std::string body = noise(size);
    const Response response =
        client.exchange(post("/work", body, {{"X-Size", std::to_string(size)}}), "POST");
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.digest.value(), Digest().add(body).value()) << size;
    EXPECT_EQ(upstream.requests().back().message.digest.value(), Digest().add(body).value()) << size;
  }
}

TEST_F(Bodies, OfALargeUploadPassInBoundedMemory) {
  Yaml yaml;
  yaml.listener = "limits: {body_bytes: 1GiB}";
  start(yaml);
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/warm-up")).status, 200);
  const std::uint64_t before = hangup->peak_resident_bytes();
  const std::string block = noise(256 * 1024);
  Digest digest;
  client.send(fmt::format("PUT /work HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", large));
  for (std::uint64_t sent = 0; sent < large; sent += block.size()) {
    client.send(block);
    digest.add(block);
  }
  EXPECT_EQ(client.read_response("PUT").body, "ok");
  if (!sanitized) {
    EXPECT_LT(hangup->peak_resident_bytes() - before, memory_bound);
  }
  const Message request = upstream.wait_for_whole_request("/work").message;
  EXPECT_EQ(request.body_bytes, large);
  EXPECT_EQ(request.digest.value(), digest.value());
  EXPECT_EQ(only_exchange("/work").at("bytes_in"), large);
}

TEST_F(Bodies, OfALargeDownloadPassInBoundedMemory) {
  const std::string block = noise(256 * 1024);
  upstream.on("/work", Script()
                           .send(response_head(200, {{"Content-Length", std::to_string(large)}}))
                           .send_times(block, large / block.size()));
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/warm-up")).status, 200);
  const std::uint64_t before = hangup->peak_resident_bytes();
  const Response response = client.exchange(get("/work"));
  Digest digest;
  for (std::uint64_t sent = 0; sent < large; sent += block.size()) digest.add(block);
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.body_bytes, large);
  EXPECT_EQ(response.digest.value(), digest.value());
  if (!sanitized) {
    EXPECT_LT(hangup->peak_resident_bytes() - before, memory_bound);
  }
  EXPECT_EQ(only_exchange("/work").at("bytes_out"), large);
}

TEST_F(Bodies, ThatNobodyReadsAreNotTakenFromTheUpstreamWithoutBound) {
  upstream.on("/work", Script().send(chunked_head()).send_endlessly(chunk(noise(64 * 1024))));
  start();
  const std::uint64_t before = hangup->peak_resident_bytes();
  Client client = connect({.receive = 4096});
  client.send(get("/work"));
  wait_until_blocked(upstream, upstream.wait_for_request("/work"));
  if (!sanitized) {
    EXPECT_LT(hangup->peak_resident_bytes() - before, memory_bound);
  }
  client.reset();
}

TEST_F(Bodies, ThatTheUpstreamDoesNotReadAreNotTakenFromTheClientWithoutBound) {
  MockUpstream deaf({.buffers = {.receive = 4096}});
  deaf.otherwise(Script().stop_reading());
  Yaml yaml;
  yaml.servers = '"' + deaf.url() + '"';
  yaml.listener = "limits: {body_bytes: 1GiB}";
  start(yaml);
  const std::uint64_t before = hangup->peak_resident_bytes();
  Client client = connect({.send = 4096});
  client.send("PUT /work HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
  deaf.wait_for_request("/work");
  EXPECT_LT(client.send_until_blocked(noise(64 * 1024)), 64U << 20U);
  if (!sanitized) {
    EXPECT_LT(hangup->peak_resident_bytes() - before, memory_bound);
  }
  client.reset();
}

TEST_F(Bodies, PipelinedWithoutEndAreNotReadWithoutBound) {
  upstream.on("/work", Script().gate("go").send(response(200, "answered")));
  start();
  const std::uint64_t before = hangup->peak_resident_bytes();
  Client client = connect();
  client.send(get("/work"));
  upstream.wait_for_request("/work");
  // Either hangup stops reading, or it reads and discards; it must not keep.
  client.send_until_blocked(noise(64 * 1024), 32U << 20U);
  if (!sanitized) {
    EXPECT_LT(hangup->peak_resident_bytes() - before, memory_bound);
  }
  upstream.open("go");
  EXPECT_EQ(client.read_response().body, "answered");
}

}  // namespace
}  // namespace hangup::test
