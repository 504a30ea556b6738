// What a route decides about a client that has gone: finish, grace, cleanup_on.
#include "e2e/fixture.h"

namespace hangup::test {
namespace {

using Finish = EndToEnd;

TEST_F(Finish, LetsTheUpstreamRunToItsEndAndThenCallsTheCleanup) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.on_disconnect = "upstream: finish, half_close: abort, cleanup: stop";  // so that the FIN decides
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  upstream.send(request, chunked_head() + chunk("one"));
  upstream.send(request, chunk(std::string(100'000, '2')));
  EXPECT_TRUE(receiver.calls().empty());
  EXPECT_TRUE(hangup->access_log("exchange").empty());
  upstream.send(request, std::string(last_chunk));
  receiver.wait_for_call();
  hangup->wait_for_exchange();
  EXPECT_EQ(upstream.close_count(), 0U);

  const Json exchange = only_exchange();
  EXPECT_EQ(exchange.at("outcome"), "client_gone");
  EXPECT_EQ(exchange.at("bytes_out"), 0);
  only_call(exchange);
}

TEST_F(Finish, DiscardsALargeResponseInBoundedMemory) {
  const std::string block = noise(64 * 1024);
  constexpr std::uint64_t blocks = 512;
  upstream.on("/work", Script()
                           .gate("go")
                           .send(chunked_head())
                           .send_times(chunk(block), blocks)
                           .send(std::string(last_chunk)));
  Yaml yaml;
  yaml.on_disconnect = "upstream: finish";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  const std::uint64_t before = hangup->peak_resident_bytes();
  upstream.open("go");
  hangup->wait_for_exchange();
  if (!sanitized) {
    EXPECT_LT(hangup->peak_resident_bytes() - before, 8U << 20U);
  }
  EXPECT_GT(upstream.connections().at(request.connection).sent, block.size() * blocks);
  EXPECT_EQ(upstream.close_count(), 0U);
  EXPECT_EQ(only_exchange().at("outcome"), "client_gone");
}

TEST_F(Finish, StillEndsWithTheUpstreamsFailure) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.on_disconnect = "upstream: finish, cleanup: stop";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  upstream.send(request, chunked_head() + chunk("one"));
  upstream.close(request);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  EXPECT_EQ(exchange.at("outcome"), "client_gone");
  only_call(exchange);
}

using Grace = EndToEnd;

TEST_F(Grace, LetsAResponseFinishWithoutAbortOrCleanup) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.on_disconnect = "grace: 60s, cleanup: stop";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  upstream.send(request, response(200, "nobody reads this"));
  hangup->wait_for_exchange();
  EXPECT_EQ(upstream.close_count(), 0U);
  const Json exchange = only_exchange();
  EXPECT_EQ(exchange.at("outcome"), "client_gone");
  EXPECT_EQ(exchange.at("cleanup"), "skipped: finished within grace");
  EXPECT_TRUE(exchange.at("abort_us").is_null());
  expect_no_call(exchange);
}

TEST_F(Grace, EndsInAbortAndCleanup) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.on_disconnect = "grace: 200ms, cleanup: stop";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  const Time left = std::chrono::steady_clock::now();
  client.close();
  const ConnectionRecord connection = upstream.wait_for_close(request);
  EXPECT_GE(connection.closed_at - left, 190ms);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  only_call(exchange);
}

TEST_F(Grace, HoldsForAStreamToo) {
  upstream.on("/work", Script().send(chunked_head() + chunk("one")));
  Yaml yaml;
  yaml.on_disconnect = "grace: 200ms, cleanup: stop";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  client.read_head();
  client.read_body(3);
  const RequestRecord request = upstream.wait_for_request("/work");
  const Time left = std::chrono::steady_clock::now();
  client.reset();
  upstream.send(request, chunk("two"));
  EXPECT_GE(upstream.wait_for_close(request).closed_at - left, 190ms);
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "streaming_response", 200);
  only_call(exchange);
}

using CleanupOn = EndToEnd;

TEST_F(CleanupOn, NoneMeansNone) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.on_disconnect = "cleanup: none";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  upstream.wait_for_close(request);
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  expect_no_call(exchange);
}

TEST_F(CleanupOn, AnOutcomeThatIsNotNamedCallsNothing) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.route = "cleanup_on: [upstream_reset]";
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  upstream.wait_for_close(request);
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  expect_no_call(exchange);
}

TEST_F(CleanupOn, AnOutcomeThatIsNamedCallsIt) {
  upstream.on("/work", Script().close());
  Yaml yaml;
  yaml.route = "cleanup_on: [upstream_reset]";
  start(yaml);
  EXPECT_EQ(connect().exchange(get("/work")).status, 502);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "upstream_reset", "awaiting_response", 502);
  EXPECT_EQ(only_call(exchange).body.at("data").at("outcome"), "upstream_reset");
}

TEST_F(CleanupOn, AResponseThatIsAnErrorOfTheUpstreamsIsCompletedAndCallsNothing) {
  upstream.on("/work", respond(500, "broken"));
  Yaml yaml;
  yaml.route = "cleanup_on: [client_gone, upstream_reset, upstream_invalid, upstream_timeout]";
  start(yaml);
  EXPECT_EQ(connect().exchange(get("/work")).body, "broken");
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "streaming_response", 500);
  expect_no_call(exchange);
}

}  // namespace
}  // namespace hangup::test
