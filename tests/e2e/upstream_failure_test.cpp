// Every way in which an upstream can fail, what the client sees of it, and how it is called.
#include "e2e/fixture.h"

#include <fmt/format.h>

#include <array>
#include <set>

namespace hangup::test {
namespace {

class UpstreamFailure : public EndToEnd {
 protected:
  // One GET on a connection of its own, and its log line. hangup is drained then.
  Response get_once(const Yaml& yaml = {}) {
    start(yaml);
    Client client = connect();
    Response response = client.exchange(get("/work"));
    closed_ = client.closed();
    return response;
  }
  std::optional<Closed> closed_;  // the client's connection, when the response had been read
};

TEST_F(UpstreamFailure, RefusedConnectionIsUnreachable) {
  const RefusingPort nobody;
  Yaml yaml;
  yaml.servers = '"' + nobody.url() + '"';
  EXPECT_EQ(get_once(yaml).status, 502);
  const Json exchange = only_exchange();
  expect_end(exchange, "upstream_unreachable", "connecting", 502);
  EXPECT_FALSE(exchange.at("error").get<std::string>().empty());
  expect_no_call(exchange);
}

TEST_F(UpstreamFailure, AbsentUnixSocketIsUnreachable) {
  Yaml yaml;
  yaml.servers = "\"unix:/tmp/hangup-test-nobody-listens-here.sock\"";
  EXPECT_EQ(get_once(yaml).status, 502);
  expect_end(only_exchange(), "upstream_unreachable", "connecting", 502);
}

TEST_F(UpstreamFailure, UnansweredConnectTimesOut) {
  const SilentPort silent;
  Yaml yaml;
  yaml.servers = '"' + silent.url() + '"';
  yaml.upstream = "timeouts: {connect: 200ms}";
  EXPECT_EQ(get_once(yaml).status, 504);
  const Json exchange = only_exchange();
  expect_end(exchange, "upstream_timeout", "connecting", 504);
  EXPECT_GE(exchange.at("duration_ms"), 190);
  expect_no_call(exchange);
}

TEST_F(UpstreamFailure, UnansweredRequestTimesOut) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.upstream = "timeouts: {first_byte: 200ms}";
  EXPECT_EQ(get_once(yaml).status, 504);
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  const Json exchange = only_exchange();
  expect_end(exchange, "upstream_timeout", "awaiting_response", 504);
  EXPECT_GE(exchange.at("duration_ms"), 190);
  expect_no_call(exchange);
}

TEST_F(UpstreamFailure, SilenceInTheMiddleOfABodyCutsItVisibly) {
  upstream.on("/work", Script().send(chunked_head() + chunk("some")));
  Yaml yaml;
  yaml.upstream = "timeouts: {idle: 200ms}";
  const Response response = get_once(yaml);
  EXPECT_EQ(response.body, "some");
  EXPECT_FALSE(response.complete);
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  const Json exchange = only_exchange();
  expect_end(exchange, "upstream_timeout", "streaming_response", 200);
  expect_no_call(exchange);
}

TEST_F(UpstreamFailure, UploadThatIsNotReadTimesOut) {
  MockUpstream deaf({.buffers = {.receive = 4096}});
  deaf.otherwise(Script().stop_reading());
  Yaml yaml;
  yaml.servers = '"' + deaf.url() + '"';
  yaml.upstream = "timeouts: {idle: 200ms}";
  yaml.listener = "limits: {body_bytes: 1GiB}";
  start(yaml);
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000000000\r\n\r\n");
  client.try_send(std::string(32 << 20, 'u'));  // ends early when hangup closes
  deaf.wait_for_close(deaf.wait_for_request("/work"));
  expect_end(only_exchange(), "upstream_timeout", "sending_request", 504);
}

TEST_F(UpstreamFailure, InTheBodyOfAResponseThatCameAtOnceCountsWhatTheClientGot) {
  upstream.on("/work", Script().send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").close());
  const Response response = get_once();
  EXPECT_FALSE(response.complete);
  const Json exchange = only_exchange();
  expect_end(exchange, "upstream_reset", "streaming_response", 200);
  EXPECT_EQ(exchange.at("bytes_out"), response.body.size());
}

struct EarlyEnd {
  const char* name;
  Script script;
  const char* outcome;
};

class BeforeTheHead : public UpstreamFailure, public ::testing::WithParamInterface<EarlyEnd> {};

TEST_P(BeforeTheHead, IsABadGatewayAndIsNotTriedAgain) {
  upstream.on("/work", GetParam().script);
  EXPECT_EQ(get_once().status, 502);
  const Json exchange = only_exchange();
  expect_end(exchange, GetParam().outcome, "awaiting_response", 502);
  EXPECT_FALSE(exchange.at("error").get<std::string>().empty());
  EXPECT_EQ(upstream.request_count(), 1U);
  expect_no_call(exchange);
}

Script sends(const std::string& bytes) {
  return Script().after_body().send(bytes);
}

INSTANTIATE_TEST_SUITE_P(
    UpstreamFailure, BeforeTheHead,
    ::testing::Values(
        EarlyEnd{"Close", Script().close(), "upstream_reset"},
        EarlyEnd{"Reset", Script().reset(), "upstream_reset"},
        EarlyEnd{"CloseInsideTheHead", sends("HTTP/1.1 200 OK\r\nConte").close(), "upstream_reset"},
        EarlyEnd{"ResetInsideTheHead", sends("HTTP/1.1 200 OK\r\nConte").reset(), "upstream_reset"},
        EarlyEnd{"CloseAfterAnInterimResponse", sends(response(103)).close(), "upstream_reset"},
        EarlyEnd{"Garbage", sends("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"), "upstream_invalid"},
        EarlyEnd{"TwoLengths", sends("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na"),
                 "upstream_invalid"},
        EarlyEnd{"LengthThatIsNoNumber", sends("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
                 "upstream_invalid"},
        EarlyEnd{"UnknownCoding", sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"),
                 "upstream_invalid"},
        EarlyEnd{"FieldWithoutColon", sends("HTTP/1.1 200 OK\r\nno field\r\n\r\n"), "upstream_invalid"},
        EarlyEnd{"EndlessHead",
                 Script()
                     .after_body()
                     .send("HTTP/1.1 200 OK\r\n")
                     .send_endlessly("X-Filler: aaaaaaaaaaaaaaaaaaaaa\r\n"),
                 "upstream_invalid"},
        EarlyEnd{"EndlessInterimResponses", Script().after_body().send_endlessly(response(103)),
                 "upstream_invalid"}),
    [](const auto& test) { return test.param.name; });

struct LateEnd {
  const char* name;
  Script script;
  const char* outcome;
};

class InsideTheBody : public UpstreamFailure, public ::testing::WithParamInterface<LateEnd> {};

TEST_P(InsideTheBody, CutsTheResponseVisibly) {
  upstream.on("/work", GetParam().script);
  const Response response = get_once();
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.complete);
  EXPECT_TRUE(closed_);
  const Json exchange = only_exchange();
  expect_end(exchange, GetParam().outcome, "streaming_response", 200);
  expect_no_call(exchange);
}

INSTANTIATE_TEST_SUITE_P(
    UpstreamFailure, InsideTheBody,
    ::testing::Values(
        LateEnd{"CloseShortOfTheLength",
                sends(response_head(200, {{"Content-Length", "9"}}) + "some").close(), "upstream_reset"},
        LateEnd{"ResetShortOfTheLength",
                sends(response_head(200, {{"Content-Length", "9"}}) + "some").reset(), "upstream_reset"},
        LateEnd{"CloseBetweenChunks", sends(chunked_head() + chunk("some")).close(), "upstream_reset"},
        LateEnd{"CloseInsideAChunk", sends(chunked_head() + "9\r\nsome").close(), "upstream_reset"},
        LateEnd{"CloseBeforeTheLastBlankLine", sends(chunked_head() + chunk("some") + "0\r\n").close(),
                "upstream_reset"},
        LateEnd{"BrokenChunkSize", sends(chunked_head() + chunk("some") + "xyz\r\n"), "upstream_invalid"},
        LateEnd{"ChunkLongerThanItSays", sends(chunked_head() + "2\r\nsome\r\n"), "upstream_invalid"}),
    [](const auto& test) { return test.param.name; });

// Without framing only the way the connection ends can say that the body was cut.
TEST_F(UpstreamFailure, ResetOfABodyWithoutFramingIsPassedOnToAnOldClientAsReset) {
  upstream.on("/work", Script().send(response_head(200, {}) + "some"));
  start();
  Client client = connect();
  client.send("GET /work HTTP/1.0\r\nHost: test.example\r\n\r\n");
  client.read_head();
  client.read_body(4);
  upstream.reset(upstream.wait_for_request("/work"));
  EXPECT_EQ(client.wait_for_close(), Closed::reset);
  expect_end(only_exchange(), "upstream_reset", "streaming_response", 200);
}

TEST_F(UpstreamFailure, DeadlineBeforeTheHeadIsAnsweredAndOwesACleanup) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.upstream = "timeouts: {total: 200ms}";
  EXPECT_EQ(get_once(yaml).status, 504);
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  const Json exchange = only_exchange();
  expect_end(exchange, "deadline", "awaiting_response", 504);
  EXPECT_EQ(only_call(exchange).body.at("data").at("outcome"), "deadline");
}

TEST_F(UpstreamFailure, DeadlineInsideTheBodyCutsItAndOwesACleanup) {
  upstream.on("/work", Script().send(chunked_head() + chunk("some")));
  Yaml yaml;
  yaml.upstream = "timeouts: {total: 1s}";
  EXPECT_FALSE(get_once(yaml).complete);
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  const Json exchange = only_exchange();
  expect_end(exchange, "deadline", "streaming_response", 200);
  only_call(exchange);
}

TEST_F(UpstreamFailure, FullQueueIsRejected) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.workers = 1;
  yaml.upstream = "connections: {max: 1, queue: 0}";
  start(yaml);
  Client holder = connect();
  holder.send(get("/work"));
  upstream.wait_for_request("/work");
  EXPECT_EQ(connect().exchange(get("/other")).status, 503);
  holder.close();
  const Json exchange = only_exchange("/other");
  expect_end(exchange, "rejected", "queued", 503);
  EXPECT_EQ(upstream.request_count(), 1U);
}

TEST_F(UpstreamFailure, QueueTimeoutIsRejected) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.upstream = "connections: {max: 1, queue: 8, queue_timeout: 200ms}";
  start(yaml);
  Client holder = connect();
  holder.send(get("/work"));
  upstream.wait_for_request("/work");
  EXPECT_EQ(connect().exchange(get("/other")).status, 503);
  holder.close();
  const Json exchange = only_exchange("/other");
  expect_end(exchange, "rejected", "queued", 503);
  EXPECT_GE(exchange.at("duration_ms"), 190);
  EXPECT_EQ(upstream.request_count(), 1U);
}

TEST_F(UpstreamFailure, QueuedRequestGoesOnWhenAConnectionBecomesFree) {
  upstream.on("/work", Script().gate("go").send(response(200, "first")));
  Yaml yaml;
  yaml.workers = 1;
  yaml.upstream = "connections: {max: 1, queue: 1}";
  start(yaml);
  Client first = connect();
  first.send(get("/work"));
  upstream.wait_for_request("/work");
  Client second = connect();
  second.send(get("/second"));
  EXPECT_EQ(connect().exchange(get("/third")).status, 503);  // so the second is queued
  upstream.open("go");
  EXPECT_EQ(first.read_response().body, "first");
  EXPECT_EQ(second.read_response().body, "ok");
  EXPECT_EQ(upstream.connections().size(), 1U);
  expect_end(only_exchange("/second"), "completed", "streaming_response", 200);
}

// The server closes an idle connection at the very moment at which the next request comes.
class StaleConnection : public UpstreamFailure, public ::testing::WithParamInterface<bool> {
 protected:
  // The second request on a connection meets its end.
  void SetUp() override {
    upstream.otherwise([by_reset = GetParam()](const RequestRecord& request) {
      if (request.nth == 0) return respond(200, "ok");
      return by_reset ? Script().reset() : Script().close();
    });
  }
};

TEST_P(StaleConnection, IsReplacedWithoutTheClientNoticing) {
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/first")).status, 200);
  EXPECT_EQ(client.exchange(get("/second")).status, 200);
  expect_end(only_exchange("/second"), "completed", "streaming_response", 200);
  const auto requests = upstream.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[1].message.header("X-Request-Id"), requests[2].message.header("X-Request-Id"));
  EXPECT_NE(requests[1].connection, requests[2].connection);
}

TEST_P(StaleConnection, IsAnErrorForWhatMustNotBeSentTwice) {
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/first")).status, 200);
  EXPECT_EQ(client.exchange(post("/second", "pay 10")).status, 502);
  expect_end(only_exchange("/second"), "upstream_reset", "awaiting_response", 502);
  EXPECT_EQ(upstream.request_count(), 2U);
}

INSTANTIATE_TEST_SUITE_P(UpstreamFailure, StaleConnection, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "ByReset" : "ByClose"; });

TEST_F(UpstreamFailure, AfterAByteOfTheResponseNothingIsSentTwice) {
  upstream.otherwise([](const RequestRecord& request) {
    return request.nth == 0 ? respond(200, "ok") : Script().send("HTTP/1.1 2").close();
  });
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/first")).status, 200);
  EXPECT_EQ(client.exchange(get("/second")).status, 502);
  expect_end(only_exchange("/second"), "upstream_reset", "awaiting_response", 502);
  EXPECT_EQ(upstream.request_count(), 2U);
}

TEST_F(UpstreamFailure, OfOneServerToBeConnectedToIsMadeUpByTheNext) {
  const RefusingPort nobody;
  Yaml yaml;
  yaml.servers = fmt::format(R"("{}", "{}")", nobody.url(), upstream.url());
  start(yaml);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(connect().exchange(post("/work", "once")).status, 200);
  drain();
  EXPECT_EQ(upstream.request_count(), 4U);
  for (const Json& line : hangup->access_log("exchange")) {
    expect_end(line, "completed", "streaming_response", 200);
    EXPECT_EQ(line.at("upstream"), upstream.url());
  }
}

TEST_F(UpstreamFailure, AnswerBeforeTheWholeUploadReachesTheClient) {
  upstream.on("/work", Script().send(response(413, "too much", {{"Connection", "close"}})));
  start();
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000000\r\n\r\nfirst bytes");
  const Response response = client.read_response("POST");
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body, "too much");
  EXPECT_TRUE(response.complete);
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  expect_end(only_exchange(), "completed", "streaming_response", 413);
}

TEST_F(UpstreamFailure, BytesAfterAResponseAreNeverTakenForTheNext) {
  upstream.otherwise([](const RequestRecord& request) {
    return request.message.path() == "/first"
               ? Script().send(response(200, "one") + response(200, "smuggled"))
               : respond(200, "two");
  });
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/first")).body, "one");
  EXPECT_EQ(client.exchange(get("/second")).body, "two");
  drain();
}

class QueuedForGoneServer : public EndToEnd {};

// The server whose connection comes free can't be connected to any more, and the other one is full: the
// request waits on, and gets the other one.
TEST_F(QueuedForGoneServer, WaitsForAnotherServer) {
  const TempDir dir;
  const std::string path = (dir / "gone.sock").string();
  MockUpstream gone({.address = "unix:" + path});
  gone.otherwise(Script().gate("go").send(response(200, "first", {{"Connection", "close"}})).close());
  upstream.on("/hold", Script().gate("go").send(response(200, "second")));
  upstream.on("/third", respond(200, "third"));
  Yaml yaml;
  yaml.servers = "\"unix:" + path + "\", \"" + upstream.url() + '"';
  yaml.upstream = "connections: {max: 1, keepalive: 1}";
  yaml.workers = 1;
  start(yaml);

  std::array<Client, 2> holding = {connect(), connect()};
  for (Client& client : holding) client.send(get("/hold"));
  gone.wait_for_request("/hold");
  upstream.wait_for_request("/hold");
  Client third = connect();
  third.send(get("/third"));
  // The one worker has seen that when it has answered this, which came later.
  EXPECT_EQ(connect().exchange("BAD\r\n\r\n").status, 400);

  std::filesystem::remove(path);
  gone.open("go");
  eventually("the freed slot to be tried", [&] { return gone.open_connections() == 0; });
  upstream.open("go");
  std::set<std::string> bodies;
  for (Client& client : holding) bodies.insert(client.read_response().body);
  EXPECT_EQ(bodies, (std::set<std::string>{"first", "second"}));
  EXPECT_EQ(third.read_response().body, "third");
}

}  // namespace
}  // namespace hangup::test
