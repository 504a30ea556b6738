// Heartbeats of an exchange, by a clock of the test's.
#include "exchange_fixture.h"

namespace hangup::proxy {
namespace {

using namespace std::chrono_literals;
using Kind = config::Heartbeat::Kind;

class HeartbeatTest : public ExchangeTest {
 protected:
  // A stream of events, of which one line has come.
  void stream_events() {
    route.heartbeat = {Kind::automatic, 15s};
    get_and_connect();
    respond("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    observer().on_response_body("data: x\n", false, {});
  }
};

TEST_F(HeartbeatTest, ComesWhenNothingWasSentForItsTimeAndAgain) {
  stream_events();
  scheduler.advance(14s);
  EXPECT_EQ(client->body, "data: x\n");
  scheduler.advance(1s);
  EXPECT_EQ(client->body, "data: x\n:\n");
  scheduler.advance(15s);
  EXPECT_EQ(client->body, "data: x\n:\n:\n");
}

TEST_F(HeartbeatTest, WaitsForAClientThatHasNotTakenWhatWasSent) {
  stream_events();
  client->room = 1;
  observer().on_response_body("data: y\n", false, {});
  scheduler.advance(30s);
  EXPECT_EQ(client->body, "data: x\ndata: y\n");
}

TEST_F(HeartbeatTest, IsNoneBehindTheEndOfTheResponse) {
  stream_events();
  client->room = 1;
  observer().on_response_body("data: y\n", true, {});
  scheduler.advance(30s);
  EXPECT_EQ(client->body, "data: x\ndata: y\n");
  client->drain();
  expect_over("completed", "streaming_response", 200);
}

}  // namespace
}  // namespace hangup::proxy
