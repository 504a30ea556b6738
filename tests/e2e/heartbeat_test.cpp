// Heartbeats, as clients see them: a response that they read as if there were none.
#include "e2e/fixture.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <thread>
#include <vector>

namespace hangup::test {
namespace {

class Heartbeat : public EndToEnd {
 protected:
  void start_with(const std::string& kind) {
    Yaml yaml;
    yaml.route = "heartbeat: {every: 100ms, kind: " + kind + "}";
    start(yaml);
  }
};

TEST_F(Heartbeat, IsALeadingZeroOfAChunkAndNoMoreThanEight) {
  upstream.on(
      "/work",
      Script().send(chunked_head() + chunk("one")).gate("end").send(chunk("two") + std::string(last_chunk)));
  start_with("chunk");
  Client client = connect();
  client.send(get("/work"));
  EXPECT_THAT(client.read_raw_until("3\r\none\r\n00000000"), ::testing::EndsWith("3\r\none\r\n00000000"));
  std::this_thread::sleep_for(300ms);  // no ninth
  upstream.open("end");
  EXPECT_EQ(client.read_raw_until("0\r\n\r\n"), "3\r\ntwo\r\n0\r\n\r\n");
}

TEST_F(Heartbeat, IsACommentOfAnEventStreamBetweenItsLines) {
  upstream.on("/work",
              Script()
                  .send(chunked_head(200, {{"Content-Type", "text/event-stream"}}) + chunk("data: x\n"))
                  .gate("more")
                  .send(chunk("data: unfinished"))
                  .gate("end")
                  .send(chunk("\n\n") + std::string(last_chunk)));
  start_with("auto");
  Client client = connect();
  client.send(get("/work"));
  client.read_head();
  EXPECT_EQ(client.read_body(12).body.substr(0, 12), "data: x\n:\n:\n");
  upstream.open("more");
  client.read_body(28);
  std::this_thread::sleep_for(300ms);  // none in the middle of a line
  upstream.open("end");
  const Response response = client.finish();
  EXPECT_TRUE(response.complete);
  EXPECT_THAT(response.body, ::testing::ContainsRegex("^data: x\n(:\n)+data: unfinished\n\n(:\n)*$"));
}

// Whatever the client's version, and so the framing in which they go out.
TEST_F(Heartbeat, DoesNotPutOffTheEndOfAServerThatSendsNothing) {
  upstream.on("/work",
              Script().send(chunked_head(200, {{"Content-Type", "text/event-stream"}}) + chunk("x\n")));
  start({.upstream = "timeouts: {idle: 1s}", .route = "heartbeat: {every: 100ms, kind: comment}"});
  for (const std::string version : {"1.0", "1.1"}) {
    Client client = connect();
    client.send("GET /work HTTP/" + version + "\r\nHost: test.example\r\n\r\n");
    client.wait_for_close();
  }
  drain();
  const std::vector<Json> exchanges = hangup->access_log("exchange");
  EXPECT_EQ(exchanges.size(), 2U);
  for (const Json& exchange : exchanges) expect_end(exchange, "upstream_timeout", "streaming_response", 200);
}

TEST_F(Heartbeat, IsAnEmptyLineWhereTheRouteSaysSo) {
  upstream.on("/work",
              Script()
                  .send(chunked_head(200, {{"Content-Type", "application/x-ndjson"}}) + chunk("{}\n"))
                  .gate("end")
                  .send(std::string(last_chunk)));
  start_with("newline");
  Client client = connect();
  client.send(get("/work"));
  client.read_head();
  EXPECT_EQ(client.read_body(5).body.substr(0, 5), "{}\n\n\n");
  upstream.open("end");
  EXPECT_TRUE(client.finish().complete);
}

TEST_F(Heartbeat, IsAnInterimResponseBeforeTheHeadWhereTheRouteSaysSo) {
  for (const auto& [kind, status] : {std::pair{"continue", 100}, std::pair{"processing", 102}}) {
    const std::string path = std::string("/") + kind;
    upstream.on(path, Script().gate(kind).send(response(200, "ok")));
    start_with(kind);
    Client client = connect();
    client.send(get(path));
    EXPECT_EQ(client.read_interim().status, status);
    EXPECT_EQ(client.read_interim().status, status);
    upstream.open(kind);
    EXPECT_EQ(client.read_response().body, "ok");
  }
}

TEST_F(Heartbeat, AddsNothingToABodyOfKnownLengthOrThatIsCompressed) {
  upstream.on("/length",
              Script()
                  .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 4\r\n\r\na\n")
                  .gate("end")
                  .send("b\n"));
  upstream.on(
      "/coded",
      Script()
          .send(chunked_head(200, {{"Content-Type", "text/event-stream"}, {"Content-Encoding", "gzip"}}) +
                chunk("a\n"))
          .gate("end")
          .send(chunk("b\n") + std::string(last_chunk)));
  start_with("comment");
  for (const char* path : {"/length", "/coded"}) {
    Client client = connect();
    client.send(get(path));
    client.read_head();
    client.read_body(2);
    std::this_thread::sleep_for(300ms);  // nothing comes
    upstream.open("end");
    EXPECT_EQ(client.finish().body, "a\nb\n");
  }
}

// ---- Real clients read a stream with leading zeros as one without

class HeartbeatBefore : public Heartbeat {
 protected:
  void SetUp() override {
    upstream.on("/work", Script()
                             .send(chunked_head(200, {{"Content-Type", "text/plain"}}) + chunk("one\n"))
                             .gate("beaten")
                             .send(chunk("two\n") + std::string(last_chunk)));
    start_with("chunk");
  }
  // Runs it, lets its eight heartbeats come, and returns what it printed.
  std::string output_of(std::vector<std::string> command) {
    Process client(std::move(command), dir_ / "out", dir_ / "err");
    upstream.wait_for_request("/work");
    // One that asked later and has had all of its heartbeats: so has the first.
    Client later = connect();
    later.send(get("/work"));
    later.read_raw_until("one\n\r\n00000000");
    upstream.open("beaten");
    const auto exit = client.wait();
    EXPECT_TRUE(exit && exit->status == 0) << read_file(dir_ / "err");
    return read_file(dir_ / "out");
  }

  TempDir dir_;
};

TEST_F(HeartbeatBefore, Curl) {
  EXPECT_EQ(output_of({"curl", "-sSfN", hangup->url("/work")}), "one\ntwo\n");
}

TEST_F(HeartbeatBefore, PythonsHttpClient) {
  EXPECT_EQ(output_of({"python3", "-c",
                       "import sys, urllib.request; "
                       "sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())",
                       hangup->url("/work")}),
            "one\ntwo\n");
}

// Go's parser, parseHexUint() of net/http/internal/chunked.go, takes at most 16 digits for a chunk's size,
// leading zeros among them. Returns the sizes that it reads.
std::vector<std::uint64_t> sizes_by_gos_rule(std::string_view body) {
  std::vector<std::uint64_t> sizes;
  do {
    const std::string digits(body.substr(0, body.find("\r\n")));
    EXPECT_TRUE(!digits.empty() && digits.size() <= 16) << '"' << digits << '"';
    EXPECT_EQ(digits.find_first_not_of("0123456789abcdefABCDEF"), std::string::npos) << '"' << digits << '"';
    sizes.push_back(std::strtoull(digits.c_str(), nullptr, 16));
    body.remove_prefix(std::min(body.size(), digits.size() + 2 + sizes.back() + 2));
  } while (sizes.back() != 0 && !body.empty());
  return sizes;
}

TEST_F(HeartbeatBefore, AParserThatTakes16DigitsOfAChunksSize) {
  upstream.on("/work", Script()
                           .send(chunked_head() + chunk("one\n"))
                           .gate("large")
                           .send(chunk(std::string(1 << 20, 'x')))
                           .gate("beaten")
                           .send(chunk("two\n") + std::string(last_chunk)));
  Client client = connect();
  client.send(get("/work"));
  client.read_raw_until("\r\n\r\n");
  std::string body = client.read_raw_until("one\n\r\n00000000");
  upstream.open("large");
  body += client.read_raw_until("x\r\n00000000");
  upstream.open("beaten");
  body += client.read_raw_until("0\r\n\r\n");
  const std::vector<std::uint64_t> sizes = sizes_by_gos_rule(body);
  EXPECT_EQ(sizes.front(), 4U);
  EXPECT_EQ(sizes.back(), 0U);
  EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0}), 4U + (1U << 20U) + 4U);
}

}  // namespace
}  // namespace hangup::test
