// The scripted client against the scripted server, nothing between them.
#include "support/client.h"
#include "support/mock_upstream.h"
#include "support/receiver.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <system_error>

namespace hangup::test {
namespace {

using namespace std::chrono_literals;

struct Peers : ::testing::Test {
  MockUpstream server;
  Client connect(const BufferSizes& buffers = {}) { return Client(server.where(), buffers); }
};

TEST_F(Peers, ExchangeRequestsAndResponsesOnOneConnection) {
  server.on("/a", respond(201, "first", {{"X-Name", "value"}}));
  Client client = connect();
  const Response first = client.exchange(post("/a?b=c", "body"));
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.body, "first");
  EXPECT_EQ(first.header("x-name"), "value");
  EXPECT_TRUE(first.complete);
  EXPECT_EQ(client.exchange(get("/b")).body, "ok");

  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].message.method, "POST");
  EXPECT_EQ(requests[0].message.target, "/a?b=c");
  EXPECT_EQ(requests[0].message.body, "body");
  EXPECT_EQ(requests[1].nth, 1U);
  EXPECT_EQ(requests[1].connection, requests[0].connection);
  EXPECT_EQ(server.connections()[0].raw, post("/a?b=c", "body") + get("/b"));
}

TEST_F(Peers, MeetAtAUnixSocket) {
  MockUpstream local({.address = "unix:/tmp/hangup-selftest-" + std::to_string(::getpid()) + ".sock"});
  EXPECT_TRUE(local.url().starts_with("unix:/tmp/"));
  EXPECT_EQ(Client(local.where()).exchange(get("/")).body, "ok");
}

TEST_F(Peers, AnswerPipelinedRequestsInOrder) {
  server.on("/1", respond(200, "one"));
  server.on("/2", respond(200, "two"));
  Client client = connect();
  client.send(get("/1") + get("/2"));
  EXPECT_EQ(client.read_response().body, "one");
  EXPECT_EQ(client.read_response().body, "two");
}

TEST_F(Peers, StreamPieceByPieceByHand) {
  server.on("/stream", Script().send(chunked_head()));
  Client client = connect();
  client.send(get("/stream"));
  EXPECT_EQ(client.read_head().status, 200);
  const RequestRecord request = server.wait_for_request("/stream");
  server.send(request, chunk("one"));
  EXPECT_EQ(client.read_body(3).body, "one");
  server.send(request, chunk("two") + std::string(last_chunk));
  const Response whole = client.finish();
  EXPECT_EQ(whole.body, "onetwo");
  EXPECT_TRUE(whole.complete);
}

TEST_F(Peers, WaitAtAGateUntilItOpens) {
  server.on("/late", Script().gate("go").send(response(200, "late")));
  Client client = connect();
  client.send(get("/late"));
  server.wait_for_request("/late");
  EXPECT_EQ(server.connections()[0].sent, 0U);
  server.open("go");
  EXPECT_EQ(client.read_response().body, "late");
}

TEST_F(Peers, ShowInterimResponsesApart) {
  server.on("/",
            Script().send(response_head(100, {})).after_body().send(response(103)).send(response(200, "x")));
  Client client = connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_interim().status, 100);
  client.send("body");
  const Response response = client.read_response();
  ASSERT_EQ(response.interim.size(), 1U);
  EXPECT_EQ(response.interim[0].status, 103);
  EXPECT_EQ(response.body, "x");
}

TEST_F(Peers, TellFinFromReset) {
  server.otherwise(never_answer());
  Client leaves_quietly = connect();
  leaves_quietly.send(get("/fin"));
  const RequestRecord fin = server.wait_for_request("/fin");
  leaves_quietly.close();
  EXPECT_EQ(server.wait_for_close(fin).closed, Closed::fin);

  Client slams = connect();
  slams.send(get("/reset"));
  const RequestRecord reset = server.wait_for_request("/reset");
  slams.reset();
  EXPECT_EQ(server.wait_for_close(reset).closed, Closed::reset);

  Client half_closes = connect();
  half_closes.send(get("/half"));
  const RequestRecord half = server.wait_for_request("/half");
  half_closes.fin();
  EXPECT_EQ(server.wait_for_close(half).closed, Closed::fin);
}

TEST_F(Peers, NoticeTheCloseWhileNothingIsRead) {
  server.otherwise(Script().stop_reading());
  for (const bool by_reset : {false, true}) {
    Client client = connect();
    const std::string path = by_reset ? "/reset" : "/fin";
    client.send(get(path));
    const RequestRecord request = server.wait_for_request(path);
    by_reset ? client.reset() : client.close();
    EXPECT_EQ(server.wait_for_close(request).closed, by_reset ? Closed::reset : Closed::fin);
  }
}

TEST_F(Peers, SeeTheServerCloseAtEveryPoint) {
  const std::string half_head = "HTTP/1.1 200 OK\r\nContent-Le";
  server.on("/before", Script().close());
  server.on("/reset", Script().reset());
  server.on("/mid-head", Script().send(half_head).close());
  server.on("/mid-body", Script().send(response_head(200, {{"Content-Length", "9"}}) + "abc").close());
  server.on("/mid-chunk", Script().send(chunked_head() + "5\r\nab").close());
  for (const char* path : {"/before", "/reset", "/mid-head"}) {
    Client client = connect();
    EXPECT_ANY_THROW(client.exchange(get(path))) << path;
  }
  for (const char* path : {"/mid-body", "/mid-chunk"}) {
    Client client = connect();
    const Response response = client.exchange(get(path));
    EXPECT_EQ(response.status, 200);
    EXPECT_FALSE(response.complete) << path;
    EXPECT_EQ(client.closed(), Closed::fin);
  }
  for (const ConnectionRecord& connection : server.connections()) {
    EXPECT_TRUE(connection.ended_here);
    EXPECT_FALSE(connection.closed);
  }
}

TEST_F(Peers, BlockAnUploadThatNobodyReads) {
  MockUpstream deaf({.buffers = {.receive = 4096}});
  deaf.otherwise(Script().stop_reading());
  Client client(deaf.where(), {.send = 4096});
  client.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  const RequestRecord request = deaf.wait_for_request("/up");
  EXPECT_LT(client.send_until_blocked(noise(64 * 1024)), 2'000'000U);
  client.reset();
  EXPECT_EQ(deaf.wait_for_close(request).closed, Closed::reset);
}

TEST_F(Peers, BlockAResponseThatNobodyReads) {
  server.otherwise(Script().send(chunked_head()).send_endlessly(chunk(noise(64 * 1024))));
  Client client = connect({.receive = 4096});
  client.send(get("/endless"));
  const RequestRecord request = server.wait_for_request("/endless");
  client.read_head();
  client.fin();
  server.wait_for_close(request);
}

TEST_F(Peers, CarryLargeBodiesBothWays) {
  const std::string block = noise(64 * 1024);
  const std::uint64_t blocks = 128;
  server.on("/big", Script()
                        .after_body()
                        .send(response_head(200, {{"Content-Length", std::to_string(block.size() * blocks)}}))
                        .send_times(block, blocks));
  Client client = connect();
  client.send("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(block.size() * blocks) +
              "\r\n\r\n");
  Digest digest;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    client.send(block);
    digest.add(block);
  }
  const Response response = client.read_response();
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.digest.value(), digest.value());
  EXPECT_EQ(server.requests()[0].message.digest.value(), digest.value());
}

TEST_F(Peers, HoldThousandsOfConnections) {
  server.otherwise(never_answer());
  raise_descriptor_limit();
  const std::size_t count = sanitized ? 1000 : 8000;  // two descriptors each, in this one process
  std::deque<Client> clients;
  for (std::size_t i = 0; i < count; ++i) clients.emplace_back(server.where()).send(get("/wait"));
  server.wait_for_requests(count);
  EXPECT_EQ(server.open_connections(), count);
  clients.clear();
  server.wait_for_closes(count);
  EXPECT_EQ(server.open_connections(), 0U);
}

TEST(DeadEnds, RefuseOrStaySilent) {
  const RefusingPort refusing;
  EXPECT_THROW(Client(address(refusing.url().substr(7))), std::system_error);

  const SilentPort silent;
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const SocketAddress where = silent.where();
  EXPECT_EQ(::connect(socket.get(), where.data(), where.size()), -1);
  EXPECT_EQ(errno, EINPROGRESS);
}

TEST(Receiver, AcknowledgesAndRecordsCalls) {
  Receiver receiver;
  Client client(receiver.server().where());
  EXPECT_EQ(client.exchange(post("/stop", R"({"id":"7"})", {{"webhook-id", "w1"}})).status, 204);
  const Call call = receiver.wait_for_call();
  EXPECT_EQ(call.webhook_id(), "w1");
  EXPECT_EQ(call.body["id"], "7");
}

TEST(MockUpstream, ReportsWhatIsNotHttp) {
  MockUpstream server({.may_be_malformed = true});
  Client client(server.where());
  client.send("nonsense\r\n\r\n");
  eventually("the report",
             [&] { return !server.connections().empty() && !server.connections()[0].malformed.empty(); });
}

TEST(MockUpstream, AnswersInTurn) {
  MockUpstream server;
  server.on("/", in_turn({respond(503), respond(204)}));
  Client client(server.where());
  EXPECT_EQ(client.exchange(get("/")).status, 503);
  EXPECT_EQ(client.exchange(get("/")).status, 204);
  EXPECT_EQ(client.exchange(get("/")).status, 204);
}

}  // namespace
}  // namespace hangup::test
