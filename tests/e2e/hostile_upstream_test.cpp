// Upstreams that send without end, or so slowly that it amounts to it: what bounds them, and that neither
// memory nor time goes with what they send. Other faults are in upstream_failure_test.cpp, and malformed
// responses in data/responses.txt.
#include "e2e/fixture.h"

#include <fmt/format.h>

#include <thread>

namespace hangup::test {
namespace {

using std::chrono::milliseconds;

class HostileUpstream : public EndToEnd {
 protected:
  // What hangup has taken since start_measuring().
  void start_measuring() {
    EXPECT_EQ(connect().exchange(get("/warm-up")).status, 200);
    memory_ = hangup->peak_resident_bytes();
    cpu_ = hangup->cpu_time();
  }
  void expect_bounded() const {
    if (sanitized) return;  // which need memory and time of their own
    EXPECT_LT(hangup->peak_resident_bytes() - memory_, std::uint64_t{6} << 20);
    EXPECT_LT(hangup->cpu_time() - cpu_, 1500ms);
  }
  // Sends a byte after the other, until hangup has had enough of it.
  void drip(const RequestRecord& request, std::string_view bytes) {
    const Time deadline = deadline_from_now();
    for (std::size_t i = 0; !upstream.connections().at(request.connection).closed; ++i) {
      if (std::chrono::steady_clock::now() > deadline) throw TimedOut("hangup to close the connection");
      upstream.send(request, std::string(1, bytes[i % bytes.size()]));
      std::this_thread::sleep_for(10ms);  // the pace is what is tested
    }
  }

 private:
  std::uint64_t memory_ = 0;
  std::chrono::nanoseconds cpu_{};
};

struct Endless {
  const char* name;
  Script script;
  const char* phase;
  int status;
};

class EndlessUpstream : public HostileUpstream, public ::testing::WithParamInterface<Endless> {};

// Refused for what it is as soon as it passes a bound, and the connection closed.
TEST_P(EndlessUpstream, IsInvalidAndCostsNothing) {
  upstream.on("/work", GetParam().script);
  start();
  start_measuring();
  for (int i = 0; i < 8; ++i) {
    Client client = connect();
    const Response response = client.exchange(get("/work"));
    EXPECT_EQ(response.status, GetParam().status);
    EXPECT_EQ(response.complete, GetParam().status != 200);
  }
  upstream.wait_for_closes(8);
  expect_bounded();
  drain();
  for (const Json& exchange : hangup->access_log("exchange")) {
    if (exchange.at("path") == "/work")
      expect_end(exchange, "upstream_invalid", GetParam().phase, GetParam().status);
  }
}

Script after(const std::string& bytes) {
  return Script().after_body().send(bytes);
}

INSTANTIATE_TEST_SUITE_P(
    HostileUpstream, EndlessUpstream,
    ::testing::Values(
        Endless{"StatusLine", after("HTTP/1.1 200 ").send_endlessly(std::string(4096, 'a')),
                "awaiting_response", 502},
        Endless{"FieldLines", after("HTTP/1.1 200 OK\r\n").send_endlessly("X-Filler: aaaaaaaaaaaaa\r\n"),
                "awaiting_response", 502},
        Endless{"EmptyFields", after("HTTP/1.1 200 OK\r\n").send_endlessly("a:\r\n"), "awaiting_response",
                502},
        Endless{"OneField", after("HTTP/1.1 200 OK\r\nX: ").send_endlessly(std::string(4096, 'a')),
                "awaiting_response", 502},
        Endless{"InterimResponses", Script().after_body().send_endlessly(response(103)), "awaiting_response",
                502},
        Endless{"LargeInterimResponses",
                Script().after_body().send_endlessly(response(103, {}, {{"Link", std::string(30'000, 'l')}})),
                "awaiting_response", 502},
        Endless{"ChunkSizeOfZeros", after(chunked_head()).send_endlessly("0"), "streaming_response", 200},
        Endless{"ChunkExtension", after(chunked_head() + "1;a=").send_endlessly("aaaa"), "streaming_response",
                200},
        Endless{"BlanksBehindAChunkSize", after(chunked_head() + "1").send_endlessly(" "),
                "streaming_response", 200},
        Endless{"Trailers", after(chunked_head() + "0\r\n").send_endlessly("X-Filler: aaaaaaaaaaa\r\n"),
                "streaming_response", 200},
        Endless{"OneTrailer", after(chunked_head() + "0\r\nX: ").send_endlessly(std::string(4096, 'a')),
                "streaming_response", 200}),
    [](const auto& test) { return test.param.name; });

TEST_F(HostileUpstream, AHeadOfMegabytesIsRefusedThoughItHasAnEnd) {
  upstream.on("/work", respond(200, "ok", {{"X-Large", std::string(8 << 20, 'a')}}));
  start();
  start_measuring();
  EXPECT_EQ(connect().exchange(get("/work")).status, 502);
  expect_bounded();
  expect_end(only_exchange("/work"), "upstream_invalid", "awaiting_response", 502);
}

TEST_F(HostileUpstream, SixteenInterimResponsesAreNotTooMany) {
  std::string interims;
  for (int i = 0; i < 16; ++i) interims += response(103);
  upstream.on("/sixteen", after(interims + response(200, "at last")));
  upstream.on("/seventeen", after(interims + response(103) + response(200, "at last")));
  start();
  EXPECT_EQ(connect().exchange(get("/sixteen")).body, "at last");
  EXPECT_EQ(connect().exchange(get("/seventeen")).status, 502);
}

// Each byte is in time for `idle`: a head has to be whole within `first_byte`.
TEST_F(HostileUpstream, AHeadThatDripsIsBoundByFirstByte) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.upstream = "timeouts: {first_byte: 300ms, idle: 200ms}";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  drip(upstream.wait_for_request("/work"),
       "HTTP/1.1 200 OK\r\nX-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
  EXPECT_EQ(client.read_response().status, 504);
  expect_end(only_exchange(), "upstream_timeout", "awaiting_response", 504);
}

TEST_F(HostileUpstream, InterimResponsesThatDripAreBoundByFirstByteToo) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.upstream = "timeouts: {first_byte: 300ms, idle: 200ms}";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  drip(upstream.wait_for_request("/work"), "HTTP/1.1 103 Early Hints\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 504);
  expect_end(only_exchange(), "upstream_timeout", "awaiting_response", 504);
}

// That is how events come, and legal: only `total` ends it.
TEST_F(HostileUpstream, ABodyThatDripsIsBoundByTotal) {
  upstream.on("/work", Script().send(chunked_head()));
  Yaml yaml;
  yaml.upstream = "timeouts: {idle: 1s, total: 3s}";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  client.read_head();
  drip(upstream.wait_for_request("/work"), "1\r\na\r\n");
  EXPECT_FALSE(client.finish().complete);
  const Json exchange = only_exchange();
  expect_end(exchange, "deadline", "streaming_response", 200);
  EXPECT_GE(exchange.at("duration_ms"), 2990);
}

TEST_F(HostileUpstream, AHeadInPiecesOfOneByteTakesTimeInProportionToItsLength) {
  upstream.on("/work", Script()
                           .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Large: ")
                           .send_times("a", 60'000)
                           .send("\r\n\r\n"));
  start();
  start_measuring();
  EXPECT_EQ(connect().exchange(get("/work")).status, 200);
  expect_bounded();
}

TEST_F(HostileUpstream, ChunksOfOneByteTakeTimeInProportionToTheirNumber) {
  upstream.on("/work",
              Script().send(chunked_head()).send_times(chunk("a"), 100'000).send(std::string(last_chunk)));
  start();
  start_measuring();
  const Response response = connect().exchange(get("/work"));
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.body_bytes, 100'000U);
  expect_bounded();
}

// Bytes that come when nothing was asked for belong to no request: not to the next one either.
TEST_F(HostileUpstream, AResponseBeforeItsRequestEndsTheConnection) {
  upstream.otherwise(
      [](const RequestRecord& request) { return respond(200, "for " + request.message.path()); });
  Yaml yaml;
  yaml.workers = 1;
  start(yaml);
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/first")).body, "for /first");
  const RequestRecord first = upstream.wait_for_request("/first");
  upstream.send(first, response(200, "smuggled"));
  upstream.wait_for_close(first);
  EXPECT_EQ(client.exchange(get("/second")).body, "for /second");
  EXPECT_EQ(upstream.connections().size(), 2U);
}

TEST_F(HostileUpstream, MoreBodyThanItsLengthIsCutOffAndTheConnectionNotUsedAgain) {
  upstream.on("/work", Script().send(response(200, "four")).send_endlessly("more and more "));
  Yaml yaml;
  yaml.workers = 1;
  start(yaml);
  start_measuring();
  Client client = connect();
  const Response response = client.exchange(get("/work"));
  EXPECT_EQ(response.body, "four");
  EXPECT_TRUE(response.complete);
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  EXPECT_EQ(client.exchange(get("/next")).body, "ok");
  expect_bounded();
}

TEST_F(HostileUpstream, GarbageWithoutALineEndIsRefusedAtOnce) {
  upstream.on("/work", Script().after_body().send_endlessly(noise(4096)));
  start();
  start_measuring();
  EXPECT_EQ(connect().exchange(get("/work")).status, 502);
  expect_bounded();
  expect_end(only_exchange("/work"), "upstream_invalid", "awaiting_response", 502);
}

// A client that takes nothing holds back the server, however much that has to say.
TEST_F(HostileUpstream, AnEndlessBodyIsHeldBackByAClientThatReadsNothing) {
  upstream.on("/work", Script().send(response_head(200, {})).send_endlessly(std::string(64 * 1024, 'b')));
  start();
  start_measuring();
  Client client = connect({.receive = 4096});
  client.send(get("/work"));
  wait_until_blocked(upstream, upstream.wait_for_request("/work"));
  expect_bounded();
}

}  // namespace
}  // namespace hangup::test
