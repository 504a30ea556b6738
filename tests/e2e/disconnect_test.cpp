// The main promise: whatever a client was doing, and however it leaves, hangup notices at once, aborts what
// the upstream was doing, and calls the cleanup once.
#include "e2e/fixture.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <fstream>
#include <sstream>
#include <utility>

namespace hangup::test {
namespace {

enum class Moment { half_body, queued, connecting, awaiting_response, idle_stream, blocked_stream };
enum class Sign { close, half_close, reset };
enum class Behind { nothing, request, junk };

struct Case {
  Moment moment;
  Sign sign;
  Behind behind;
};

std::string name_of(Moment moment) {
  switch (moment) {
    case Moment::half_body:
      return "WithHalfItsBodySent";
    case Moment::queued:
      return "WhileQueued";
    case Moment::connecting:
      return "WhileConnecting";
    case Moment::awaiting_response:
      return "WhileAwaitingTheResponse";
    case Moment::idle_stream:
      return "OfAnIdleStream";
    case Moment::blocked_stream:
      return "OfAStreamItDoesNotRead";
  }
  return {};
}

std::string name_of(Sign sign) {
  switch (sign) {
    case Sign::close:
      return "Closes";
    case Sign::half_close:
      return "SendsFin";
    case Sign::reset:
      return "Resets";
  }
  return {};
}

std::string name_of(Behind behind) {
  switch (behind) {
    case Behind::nothing:
      return "";
    case Behind::request:
      return "BehindAPipelinedRequest";
    case Behind::junk:
      return "BehindPipelinedJunk";
  }
  return {};
}

// A connection to that port is being made, and its server does not answer.
bool is_connecting_to(std::uint16_t port) {
  std::ifstream table("/proc/net/tcp");
  const std::string remote = fmt::format("0100007F:{:04X}", port);
  const std::string syn_sent = "02";
  for (std::string line; std::getline(table, line);) {
    std::istringstream columns(line);
    std::string number, local, peer, state;
    if (columns >> number >> local >> peer >> state && peer == remote && state == syn_sent) return true;
  }
  return false;
}

class ClientThat : public EndToEnd, public ::testing::WithParamInterface<Case> {
 protected:
  // Brings a client for /work to that moment.
  Client reach(Moment moment);
  Client reach_queue();
  Client reach_connect();
  Client reach_half_body();
  Client reach_stream(bool reads);
  void leave(Client& client, Sign sign) {
    switch (sign) {
      case Sign::close:
        return client.close();
      case Sign::half_close:
        return client.fin();
      case Sign::reset:
        return client.reset();
    }
  }
  Yaml yaml() const {
    Yaml yaml;
    yaml.on_disconnect = "cleanup: stop, half_close: abort";
    return yaml;
  }

  SilentPort silent_;
  std::optional<Client> holder_;  // of the only connection upstream, while another is queued
};

Client ClientThat::reach(Moment moment) {
  switch (moment) {
    case Moment::half_body:
      return reach_half_body();
    case Moment::queued:
      return reach_queue();
    case Moment::connecting:
      return reach_connect();
    case Moment::idle_stream:
      return reach_stream(true);
    case Moment::blocked_stream:
      return reach_stream(false);
    case Moment::awaiting_response:
      break;
  }
  upstream.on("/work", never_answer());
  start(yaml());
  Client client = connect();
  client.send(get("/work"));
  upstream.wait_for_request("/work");
  return client;
}

Client ClientThat::reach_half_body() {
  start(yaml());
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000\r\n\r\n" +
              std::string(500, 'x'));
  upstream.wait_for_body("/work", 500);
  return client;
}

// A queue of one that turns others away is taken.
Client ClientThat::reach_queue() {
  Yaml with_queue = yaml();
  with_queue.workers = 1;
  with_queue.upstream = "connections: {max: 1, queue: 1, queue_timeout: 60s}";
  upstream.on("/hold", never_answer());
  start(with_queue);
  holder_ = connect();
  holder_->send(get("/hold"));
  upstream.wait_for_request("/hold");
  Client client = connect();
  client.send(get("/work"));
  EXPECT_EQ(connect().exchange(get("/one-too-many")).status, 503);
  return client;
}

Client ClientThat::reach_connect() {
  Yaml unconnectable = yaml();
  unconnectable.servers = '"' + silent_.url() + '"';
  unconnectable.upstream = "timeouts: {connect: 60s}";
  start(unconnectable);
  Client client = connect();
  client.send(get("/work"));
  eventually("hangup to connect", [&] { return is_connecting_to(silent_.where().port()); });
  return client;
}

Client ClientThat::reach_stream(bool reads) {
  const std::string piece = chunk(std::string(16 * 1024, 's'));
  upstream.on("/work", reads ? Script().send(chunked_head() + chunk("hello"))
                             : Script().send(chunked_head()).send_endlessly(piece));
  start(yaml());
  Client client = connect(reads ? BufferSizes{} : BufferSizes{.receive = 4096});
  client.send(get("/work"));
  if (reads) {
    client.read_head();
    client.read_body(5);
  } else {
    wait_until_blocked(upstream, upstream.wait_for_request("/work"));
  }
  return client;
}

TEST_P(ClientThat, IsNoticed) {
  const auto [moment, sign, behind] = GetParam();
  Client client = reach(moment);
  if (behind == Behind::request) client.send(get("/next"));
  if (behind == Behind::junk) client.send(std::string(64 * 1024, 'j'));
  leave(client, sign);

  const bool had_begun = moment != Moment::queued && moment != Moment::connecting;
  if (had_begun) {
    upstream.wait_for_close(upstream.wait_for_request("/work"));
    receiver.wait_for_call();
  } else {
    hangup->wait_for_log("the exchange", [](const Json& line) { return line.at("path") == "/work"; });
  }
  if (holder_) holder_->close();
  const Json exchange = only_exchange("/work");

  switch (moment) {
    case Moment::half_body:
      expect_end(exchange, "client_gone", "sending_request", 499);
      break;
    case Moment::queued:
      expect_end(exchange, "client_gone", "queued", 499);
      break;
    case Moment::connecting:
      expect_end(exchange, "client_gone", "connecting", 499);
      break;
    case Moment::awaiting_response:
      expect_end(exchange, "client_gone", "awaiting_response", 499);
      break;
    case Moment::idle_stream:
    case Moment::blocked_stream:
      expect_end(exchange, "client_gone", "streaming_response", 200);
      break;
  }
  for (const RequestRecord& request : upstream.requests()) EXPECT_NE(request.message.path(), "/next");
  if (had_begun) {
    EXPECT_LT(exchange.at("abort_us"), 1'000'000) << exchange;
    const Call call = only_call(exchange);
    EXPECT_EQ(call.body.at("data").at("outcome"), "client_gone");
    EXPECT_EQ(call.body.at("data").at("phase"), exchange.at("phase"));
  } else {
    EXPECT_EQ(exchange.at("cleanup"), "skipped: nothing was sent upstream");
    for (const RequestRecord& request : upstream.requests()) EXPECT_NE(request.message.path(), "/work");
    for (const Call& call : receiver.calls()) EXPECT_EQ(call.body.at("data").at("path"), "/hold");
  }
}

std::vector<Case> every_case() {
  std::vector<Case> cases;
  for (const Moment moment : {Moment::half_body, Moment::queued, Moment::connecting,
                              Moment::awaiting_response, Moment::idle_stream, Moment::blocked_stream}) {
    for (const Sign sign : {Sign::close, Sign::half_close, Sign::reset}) {
      cases.push_back({moment, sign, Behind::nothing});
      if (moment == Moment::half_body) continue;  // what follows half a body is the other half
      cases.push_back({moment, sign, Behind::request});
      cases.push_back({moment, sign, Behind::junk});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Disconnect, ClientThat, ::testing::ValuesIn(every_case()), [](const auto& test) {
  return name_of(test.param.sign) + name_of(test.param.moment) + name_of(test.param.behind);
});

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
