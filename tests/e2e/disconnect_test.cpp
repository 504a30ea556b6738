// What is about a disconnect beside the matrix (matrix_test): where there is no exchange yet, or no longer,
// what the upstream sees of a body, and other clients.
#include "e2e/fixture.h"

namespace hangup::test {
namespace {

using Disconnect = EndToEnd;

TEST_F(Disconnect, OfAnIdleConnectionIsNoExchange) {
  start();
  for (const bool by_reset : {false, true}) {
    Client client = connect();
    EXPECT_EQ(client.exchange(get("/")).status, 200);
    by_reset ? client.reset() : client.close();
    by_reset ? connect().reset() : connect().close();
  }
  drain();
  for (const Json& line : hangup->access_log("exchange")) EXPECT_EQ(line.at("outcome"), "completed");
  EXPECT_EQ(hangup->access_log("exchange").size(), 2U);
  EXPECT_TRUE(receiver.calls().empty());
}

TEST_F(Disconnect, InTheMiddleOfAHeadReachesNoUpstream) {
  start();
  for (const bool by_reset : {false, true}) {
    Client client = connect();
    client.send("GET /work HTTP/1.1\r\nHo");
    by_reset ? client.reset() : client.close();
  }
  EXPECT_EQ(connect().exchange(get("/alive")).status, 200);
  drain();
  for (const Json& line : hangup->access_log("exchange")) {
    if (line.at("path") != "/alive") expect_end(line, "client_gone", "reading_request", 499);
  }
  EXPECT_EQ(upstream.request_count(), 1U);
  EXPECT_TRUE(receiver.calls().empty());
}

// A FIN can't get past what the upload has left in the client's own buffers; RST can.
TEST_F(Disconnect, ByResetDuringAnUploadThatTheUpstreamDoesNotRead) {
  MockUpstream deaf({.buffers = {.receive = 4096}});
  deaf.otherwise(Script().stop_reading());
  Yaml yaml;
  yaml.servers = '"' + deaf.url() + '"';
  yaml.listener = "limits: {body_bytes: 1GiB}";
  start(yaml);
  Client client = connect({.send = 4096});
  client.send("POST /work HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000000000\r\n\r\n");
  const RequestRecord request = deaf.wait_for_request("/work");
  client.send_until_blocked(std::string(64 * 1024, 'u'));
  client.reset();
  deaf.wait_for_close(request);
  receiver.wait_for_call();
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "sending_request", 499);
  only_call(exchange);
}

TEST_F(Disconnect, OfAChunkedUploadIsPassedOnAsACut) {
  start();
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n" +
              chunk("half"));
  const RequestRecord request = upstream.wait_for_body("/work", 4);
  client.close();
  upstream.wait_for_close(request);
  const Json exchange = only_exchange();
  expect_end(exchange, "client_gone", "sending_request", 499);
  EXPECT_EQ(exchange.at("bytes_in"), 4);
  only_call(exchange);
  EXPECT_FALSE(upstream.requests().front().message.complete);
}

TEST_F(Disconnect, OfOneClientLeavesTheOthersAlone) {
  upstream.on("/stays", Script().gate("go").send(response(200, "still here")));
  upstream.on("/leaves", never_answer());
  start();
  Client stays = connect();
  stays.send(get("/stays"));
  Client leaves = connect();
  leaves.send(get("/leaves"));
  upstream.wait_for_request("/stays");
  const RequestRecord left = upstream.wait_for_request("/leaves");
  leaves.close();
  upstream.wait_for_close(left);
  upstream.open("go");
  EXPECT_EQ(stays.read_response().body, "still here");
  expect_end(only_exchange("/stays"), "completed", "streaming_response", 200);
  only_call(only_exchange("/leaves"));
}

TEST_F(Disconnect, AfterTheWholeResponseIsNone) {
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/")).body, "ok");
  client.reset();
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "streaming_response", 200);
  EXPECT_TRUE(exchange.at("abort_us").is_null());
  expect_no_call(exchange);
}

TEST_F(Disconnect, DuringASecondExchangeOfAConnectionIsOfThatOne) {
  upstream.on("/second", never_answer());
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/first")).status, 200);
  client.send(get("/second"));
  upstream.wait_for_request("/second");
  client.close();
  receiver.wait_for_call();
  expect_end(only_exchange("/first"), "completed", "streaming_response", 200);
  const Json second = only_exchange("/second");
  expect_end(second, "client_gone", "awaiting_response", 499);
  only_call(second);
}

}  // namespace
}  // namespace hangup::test
