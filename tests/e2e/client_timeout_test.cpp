// Clients that are too slow, and connections that are left idle.
#include "e2e/fixture.h"

#include <gmock/gmock.h>

namespace hangup::test {
namespace {

using testing::HasSubstr, testing::Not;

using ClientTimeout = EndToEnd;

TEST_F(ClientTimeout, OfAHeadIsAnswered) {
  Yaml yaml;
  yaml.listener = "timeouts: {header: 200ms}";
  start(yaml);
  Client client = connect();
  client.send("GET /work HTTP/1.1\r\nHost: te");
  EXPECT_EQ(client.read_response().status, 408);
  client.wait_for_close();
  expect_end(only_exchange(), "client_timeout", "reading_request", 408);
  EXPECT_EQ(upstream.request_count(), 0U);
}

// The deadline of a head is absolute: feeding it byte by byte gains no time.
TEST_F(ClientTimeout, OfAHeadIsNotPutOffByDripping) {
  Yaml yaml;
  yaml.listener = "timeouts: {header: 300ms}";
  start(yaml);
  Client client = connect();
  client.send("GET /work HTTP/1.1\r\nX-Slow: ");
  eventually("the end of a client that drips", [&] {
    client.try_send("a");
    return !hangup->access_log("exchange").empty();
  });
  EXPECT_EQ(only_exchange().at("outcome"), "client_timeout");
}

TEST_F(ClientTimeout, OfABodyAbortsTheUpstream) {
  Yaml yaml;
  yaml.listener = "timeouts: {body_idle: 200ms}";
  start(yaml);
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: test.example\r\nContent-Length: 10\r\n\r\nhalf");
  const RequestRecord request = upstream.wait_for_body("/work", 4);
  EXPECT_EQ(client.read_response("POST").status, 408);
  upstream.wait_for_close(request);
  client.wait_for_close();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_timeout", "sending_request", 408);
  expect_no_call(exchange);
}

TEST_F(ClientTimeout, OfAReaderAbortsTheUpstream) {
  upstream.on("/work", Script().send(chunked_head()).send_endlessly(chunk(std::string(16 * 1024, 's'))));
  Yaml yaml;
  yaml.listener = "timeouts: {write_idle: 300ms}";
  yaml.route = "cleanup_on: [client_timeout]";
  start(yaml);
  Client client = connect({.receive = 4096});
  client.send(get("/work"));
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_timeout", "streaming_response", 200);
  only_call(exchange);
}

// There is nothing that it could be told.
TEST_F(ClientTimeout, OfOneThatTakesNoInterimResponsesIsNoResponse) {
  const std::string hints =
      "HTTP/1.1 103 Early Hints\r\nLink: </" + std::string(60 * 1024, 'x') + ">\r\n\r\n";
  upstream.on("/work", Script().send_times(hints, 16));
  const TempDir dir;  // a UNIX socket takes little without a reader
  const std::string where = "unix:" + (dir / "in.sock").string();
  start({.address = where, .listener = "timeouts: {write_idle: 300ms}"});
  Client client(address(where));
  client.send(get("/work"));
  upstream.wait_for_close(upstream.wait_for_request("/work"));
  expect_end(only_exchange(), "client_timeout", "awaiting_response", 408);
  EXPECT_THAT(client.read_to_close(), Not(HasSubstr("HTTP/1.1 0")));
}

TEST_F(ClientTimeout, OfASlowButSteadyReaderIsNone) {
  const std::string block = noise(64 * 1024);
  upstream.on("/work",
              Script().send(chunked_head()).send_times(chunk(block), 64).send(std::string(last_chunk)));
  Yaml yaml;
  yaml.listener = "timeouts: {write_idle: 5s}";
  start(yaml);
  Client client = connect({.receive = 8192});
  client.send(get("/work"));
  client.read_head();
  wait_until_blocked(upstream, upstream.wait_for_request("/work"));
  const Response response = client.finish();
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.body_bytes, block.size() * 64);
  expect_end(only_exchange(), "completed", "streaming_response", 200);
}

// So slowly that there is no room to write again for longer than the timeout.
TEST_F(ClientTimeout, OfAReaderThatTakesSomethingAllTheTimeIsNone) {
  const std::string block = noise(64 * 1024);
  upstream.on("/work",
              Script().send(chunked_head()).send_times(chunk(block), 200).send(std::string(last_chunk)));
  start({.listener = "timeouts: {write_idle: 500ms}"});
  Client client = connect({.receive = 8192});
  client.send(get("/work"));
  client.read_head();
  const auto until = std::chrono::steady_clock::now() + 2s;
  for (std::uint64_t read = 4096; std::chrono::steady_clock::now() < until; read += 4096) {
    client.read_body(read);
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(client.finish().complete);
  expect_end(only_exchange(), "completed", "streaming_response", 200);
}

TEST_F(ClientTimeout, OfAClientThatWaitsForThe100IsNone) {
  upstream.on("/work",
              Script().gate("go").send(response_head(100, {})).after_body().send(response(200, "ok")));
  start({.listener = "timeouts: {body_idle: 1s}"});
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  upstream.wait_for_request("/work");
  std::this_thread::sleep_for(1500ms);  // nothing is to happen, which only time can show
  upstream.open("go");
  EXPECT_EQ(client.read_interim().status, 100);
  client.send("body");
  EXPECT_EQ(client.read_response("POST").status, 200);
}

TEST_F(ClientTimeout, OfAnIdleConnectionIsNoExchange) {
  Yaml yaml;
  yaml.listener = "timeouts: {idle: 1s}";
  start(yaml);
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/work")).status, 200);
  EXPECT_EQ(client.read_to_close(), "");
  EXPECT_EQ(connect().read_to_close(), "");
  expect_end(only_exchange(), "completed", "streaming_response", 200);
}

TEST_F(ClientTimeout, DoesNotRunWhileTheUpstreamWorks) {
  upstream.on("/work", Script().gate("go").send(response(200, "done")));
  Yaml yaml;
  yaml.listener = "timeouts: {idle: 1s, header: 1s, body_idle: 1s, write_idle: 1s}";
  yaml.upstream = "timeouts: {first_byte: 60s}";
  start(yaml);
  Client client = connect();
  client.send(post("/work", "body"));
  upstream.wait_for_whole_request("/work");
  Client other = connect();
  other.read_to_close();  // its idle timeout passes, and with it those of the first
  other = connect();
  other.read_to_close();
  upstream.open("go");
  EXPECT_EQ(client.read_response("POST").body, "done");
}

}  // namespace
}  // namespace hangup::test
