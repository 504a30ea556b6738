#include "unit/proxy/exchange_fixture.h"

#include <chrono>
#include <string>

namespace hangup {
namespace {

using namespace std::chrono_literals;
using config::OnDisconnect;
using upstream::Failure;

// ---- To the end

TEST_F(ExchangeTest, CompletesWhenTheKernelHasTheLastByteAndOwesNoCleanup) {
  get_and_connect();
  respond();
  observer().on_response_body("0123456789", true, {});
  expect_over("completed", "streaming_response", 200);
  EXPECT_EQ(client->body, "0123456789");
  EXPECT_TRUE(cleanups().empty());
  EXPECT_FALSE(request().aborted);
}

TEST_F(ExchangeTest, IsNotCompletedBeforeTheKernelHasTheLastByte) {
  get_and_connect();
  respond();
  client->room = 4;
  observer().on_response_body("0123456789", true, {});
  EXPECT_EQ(proxy->in_flight(), 1U);
  client->drain();
  expect_over("completed", "streaming_response", 200);
}

TEST_F(ExchangeTest, ClientGoneWithTheLastBytesStillUnsentIsNotCompleted) {
  get_and_connect();
  respond();
  client->room = 4;
  observer().on_response_body("0123456789", true, {});
  client->observer->on_gone(scheduler.now());
  expect_over("client_gone", "streaming_response", 200);
  EXPECT_EQ(log_line()["bytes_out"], 4);
  EXPECT_EQ(cleanups().size(), 1U);
}

TEST_F(ExchangeTest, ForwardsEndToEndFieldsAndMakesTheClientKnown) {
  route.request.set = {{"X-Job", text_template("job-{path.id}")}};
  route.request.remove = {"X-Debug"};
  send(
      "GET /jobs/17 HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Debug: "
      "1\r\n"
      "X-Job: forged\r\nX-Forwarded-For: 10.0.0.1\r\nX-Request-Id: forged\r\nAccept: */*\r\n\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().target, "/jobs/17");
  EXPECT_EQ(request().field("Host"), "example.com");
  EXPECT_EQ(request().field("Accept"), "*/*");
  EXPECT_EQ(request().field("X-Job"), "job-17");
  EXPECT_EQ(request().count("X-Job"), 1U);
  EXPECT_EQ(request().field("X-Forwarded-For"), "192.0.2.7");
  EXPECT_EQ(request().field("X-Forwarded-Host"), "example.com");
  EXPECT_EQ(request().field("X-Forwarded-Proto"), "http");
  EXPECT_EQ(request().field("Via"), "1.1 hangup");
  EXPECT_EQ(request().field("X-Request-Id").size(), 36U);
  EXPECT_EQ(request().count("X-Hop") + request().count("Connection") + request().count("X-Debug"), 0U);
}

TEST_F(ExchangeTest, KeepsOrReplacesTheHostAsTheUpstreamSays) {
  upstream_config->host_policy = config::Upstream::HostPolicy::server;
  get_and_connect();
  EXPECT_EQ(request().field("Host"), "127.0.0.1:9000");
  EXPECT_EQ(request().field("X-Forwarded-Host"), "example.com");
}

TEST_F(ExchangeTest, AnswersByItselfWhenNoRouteMatches) {
  send("GET /other HTTP/1.1\r\nHost: example.com\r\nAccept: application/json\r\n\r\n");
  expect_over("rejected", "reading_request", 404);
  EXPECT_EQ(client->status, 404);
  EXPECT_EQ(json::parse(client->body)["status"], 404);
  EXPECT_TRUE(fake_upstream->requests.empty());
}

TEST_F(ExchangeTest, NamesTheAllowedMethodsWhenOnlyTheMethodIsWrong) {
  route.match.methods = {"GET", "PUT"};
  send("DELETE /jobs/1 HTTP/1.1\r\nHost: example.com\r\n\r\n");
  expect_over("rejected", "reading_request", 405);
  EXPECT_EQ(client->field("Allow"), "GET, PUT");
}

// ---- Bodies and backpressure

TEST_F(ExchangeTest, ReadsNothingOfTheBodyBeforeThereIsAConnection) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n\r\n");
  EXPECT_TRUE(client->paused);
  observer().on_connecting(server());
  EXPECT_TRUE(client->paused);
  observer().on_connected(server());
  EXPECT_FALSE(client->paused);
}

TEST_F(ExchangeTest, PausesTheClientWhileTheServerTakesNothing) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n\r\n");
  observer().on_connected(server());
  request().takes_body = false;
  client->observer->on_request_body("abc", false);
  EXPECT_TRUE(client->paused);
  observer().on_request_drained();
  EXPECT_FALSE(client->paused);
  client->observer->on_request_body("def", true);
  EXPECT_EQ(request().body, "abcdef");
  EXPECT_TRUE(request().last);
}

TEST_F(ExchangeTest, PausesTheServerWhileTheClientTakesNothing) {
  get_and_connect();
  respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  client->room = 1;
  observer().on_response_body("abc", false, {});
  EXPECT_TRUE(request().paused);
  client->drain();
  EXPECT_FALSE(request().paused);
}

TEST_F(ExchangeTest, AServerWaitingForASlowClientIsNotTimedOut) {
  get_and_connect();
  respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  client->room = 1;
  observer().on_response_body("abc", false, {});
  scheduler.advance(upstream_config->timeouts.idle + 1s);
  EXPECT_EQ(proxy->in_flight(), 1U);
}

TEST_F(ExchangeTest, AnAnswerThatComesBeforeTheBodyIsWholeIsRelayed) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n\r\n");
  observer().on_connected(server());
  client->observer->on_request_body("abc", false);
  respond("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
  observer().on_response_body({}, true, {});
  expect_over("completed", "streaming_response", 413);
}

TEST_F(ExchangeTest, InterimResponsesAreRelayed) {
  get_and_connect();
  observer().on_interim(parsed_response("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"));
  EXPECT_EQ(client->interims, std::vector<int>{103});
}

// ---- The client goes

TEST_F(ExchangeTest, ClientGoneWhileWaitingForTheHeadAbortsAndOwesTheCleanup) {
  get_and_connect();
  const MonoTime sign = scheduler.now();
  client->observer->on_gone(sign);
  expect_over("client_gone", "awaiting_response", 499);
  EXPECT_TRUE(request().aborted);
  ASSERT_EQ(cleanups().size(), 1U);
  EXPECT_EQ(cleanups()[0].method, "DELETE");
  EXPECT_EQ(cleanups()[0].url, "http://127.0.0.1:9/jobs/17?phase=awaiting_response");
  EXPECT_EQ(log_line()["cleanup"][0], cleanups()[0].id);
  EXPECT_EQ(log_line()["request_id"], cleanups()[0].request_id);
  EXPECT_EQ(log_line()["abort_us"], 0);
}

TEST_F(ExchangeTest, ClientGoneWhileStreamingKeepsTheStatusThatWasSent) {
  get_and_connect();
  respond();
  observer().on_response_body("0123", false, {});
  client->observer->on_gone(scheduler.now());
  expect_over("client_gone", "streaming_response", 200);
  EXPECT_TRUE(request().aborted);
  EXPECT_EQ(cleanups().size(), 1U);
}

TEST_F(ExchangeTest, ClientGoneWhileQueuedNeverReachesTheUpstream) {
  get();
  observer().on_queued();
  client->observer->on_gone(scheduler.now());
  expect_over("client_gone", "queued", 499);
  EXPECT_TRUE(request().aborted);
  EXPECT_FALSE(request().head_sent);
  EXPECT_TRUE(cleanups().empty());
  EXPECT_EQ(log_line()["cleanup"], "skipped: nothing was sent upstream");
}

TEST_F(ExchangeTest, ClientGoneWhileConnectingOwesNothing) {
  get();
  observer().on_connecting(server());
  client->observer->on_gone(scheduler.now());
  expect_over("client_gone", "connecting", 499);
  EXPECT_TRUE(cleanups().empty());
}

TEST_F(ExchangeTest, ClientGoneInTheMiddleOfItsBodyAbortsWhateverThePolicy) {
  route.on_disconnect.upstream = OnDisconnect::Upstream::finish;
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n\r\n");
  observer().on_connected(server());
  client->observer->on_request_body("abc", false);
  client->observer->on_gone(scheduler.now());
  expect_over("client_gone", "sending_request", 499);
  EXPECT_TRUE(request().aborted);
  EXPECT_EQ(cleanups().size(), 1U);
}

TEST_F(ExchangeTest, ClientWhoseFinCameWithItsRequestCostsTheUpstreamNothing) {
  fin_came_with_the_request = true;
  get();
  expect_over("client_gone", "reading_request", 499);
  EXPECT_TRUE(fake_upstream->requests.empty());
  EXPECT_TRUE(client->was_cut);
}

TEST_F(ExchangeTest, AFinOfAClientThatCanBeProbedEndsTheExchangeWhenItHasGone) {
  get_and_connect();
  client->can_probe = true;
  client->observer->on_half_close(scheduler.now());
  EXPECT_EQ(client->probes, 1);
  EXPECT_FALSE(request().aborted);
  client->observer->on_gone(scheduler.now());
  EXPECT_TRUE(request().aborted);
  expect_over("client_gone", "awaiting_response", 499);
}

TEST_F(ExchangeTest, AProbedClientThatStillReadsGetsItsResponse) {
  get_and_connect();
  client->can_probe = true;
  client->observer->on_half_close(scheduler.now());
  respond();
  observer().on_response_body("0123456789", true, {});
  expect_over("completed", "streaming_response", 200);
  EXPECT_TRUE(cleanups().empty());
}

TEST_F(ExchangeTest, NobodyIsProbedWhereAFinMeansGone) {
  route.on_disconnect.half_close = OnDisconnect::HalfClose::abort;
  get_and_connect();
  client->can_probe = true;
  client->observer->on_half_close(scheduler.now());
  EXPECT_EQ(client->probes, 0);
  EXPECT_TRUE(client->was_cut);
  expect_over("client_gone", "awaiting_response", 499);
}

TEST_F(ExchangeTest, AFinOfAClientThatCantBeProbedEndsTheExchange) {
  get_and_connect();
  client->observer->on_half_close(scheduler.now());
  EXPECT_TRUE(client->was_cut);
  expect_over("client_gone", "awaiting_response", 499);
}

TEST_F(ExchangeTest, AHalfClosedClientOfAWaitingRouteGetsItsResponse) {
  route.on_disconnect.half_close = OnDisconnect::HalfClose::wait;
  fin_came_with_the_request = true;
  get();
  observer().on_connected(server());
  client->observer->on_half_close(scheduler.now());
  respond();
  observer().on_response_body("0123456789", true, {});
  expect_over("completed", "streaming_response", 200);
  EXPECT_TRUE(cleanups().empty());
}

TEST_F(ExchangeTest, FinishLetsTheWorkRunToItsEndAndThenCallsTheCleanup) {
  route.on_disconnect.upstream = OnDisconnect::Upstream::finish;
  get_and_connect();
  client->observer->on_gone(scheduler.now());
  EXPECT_FALSE(request().aborted);
  EXPECT_TRUE(cleanups().empty());
  respond();
  observer().on_response_body("0123456789", true, {});
  expect_over("client_gone", "awaiting_response", 499);
  EXPECT_FALSE(request().aborted);
  EXPECT_EQ(cleanups().size(), 1U);
  EXPECT_EQ(client->body, "");
}

TEST_F(ExchangeTest, FinishUnpausesAServerThatWaitedForTheClient) {
  route.on_disconnect.upstream = OnDisconnect::Upstream::finish;
  get_and_connect();
  respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  client->room = 1;
  observer().on_response_body("abc", false, {});
  client->observer->on_gone(scheduler.now());
  EXPECT_FALSE(request().paused);
}

TEST_F(ExchangeTest, GraceThatRunsOutAborts) {
  route.on_disconnect.grace = 2s;
  get_and_connect();
  client->observer->on_gone(scheduler.now());
  scheduler.advance(1999ms);
  EXPECT_FALSE(request().aborted);
  scheduler.advance(1ms);
  EXPECT_TRUE(request().aborted);
  expect_over("client_gone", "awaiting_response", 499);
  EXPECT_EQ(log_line()["abort_us"], 2'000'000);
  EXPECT_EQ(cleanups().size(), 1U);
}

TEST_F(ExchangeTest, FinishingWithinTheGraceIsNoAbortAndOwesNoCleanup) {
  route.on_disconnect.grace = 2s;
  get_and_connect();
  client->observer->on_gone(scheduler.now());
  scheduler.advance(1s);
  respond();
  observer().on_response_body("0123456789", true, {});
  expect_over("client_gone", "awaiting_response", 499);
  EXPECT_FALSE(request().aborted);
  EXPECT_TRUE(cleanups().empty());
  EXPECT_EQ(log_line()["cleanup"], "skipped: finished within grace");
  EXPECT_TRUE(log_line()["abort_us"].is_null());
}

TEST_F(ExchangeTest, AServerThatFailsWithinTheGraceStillOwesTheCleanup) {
  route.on_disconnect.grace = 2s;
  get_and_connect();
  client->observer->on_gone(scheduler.now());
  observer().on_failed({Failure::Kind::reset, "closed", false});
  expect_over("client_gone", "awaiting_response", 499);
  EXPECT_EQ(cleanups().size(), 1U);
}

TEST_F(ExchangeTest, ARouteWithoutCleanupCallsNone) {
  route.on_disconnect.cleanups.clear();
  get_and_connect();
  client->observer->on_gone(scheduler.now());
  expect_over("client_gone", "awaiting_response", 499);
  EXPECT_TRUE(cleanups().empty());
  EXPECT_TRUE(log_line()["cleanup"].is_null());
}

TEST_F(ExchangeTest, ACleanupWithoutAValueIsSkippedAndSaysSo) {
  auto cleanup = std::make_shared<config::Cleanup>(*route.on_disconnect.cleanups.front());
  cleanup->url = text_template("http://127.0.0.1:9/{request.header.x-job}");
  route.on_disconnect.cleanups = {cleanup};
  get_and_connect();
  client->observer->on_gone(scheduler.now());
  EXPECT_TRUE(cleanups().empty());
  EXPECT_NE(log_line()["cleanup"].get<std::string>().find("request.header.x-job"), std::string::npos);
}

TEST_F(ExchangeTest, TheCleanupIsCalledForTheOutcomesOfTheRouteOnly) {
  route.cleanup_on = {Outcome::upstream_reset};
  get_and_connect();
  client->observer->on_gone(scheduler.now());
  EXPECT_TRUE(cleanups().empty());
  get_and_connect();
  observer().on_failed({Failure::Kind::reset, "closed", false});
  EXPECT_EQ(cleanups().size(), 1U);
}

// ---- The client is slow

TEST_F(ExchangeTest, AClientThatSendsNoBodyGets408) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n\r\n");
  observer().on_connected(server());
  client->observer->on_request_timeout();
  expect_over("client_timeout", "sending_request", 408);
  EXPECT_TRUE(request().aborted);
}

TEST_F(ExchangeTest, AClientThatReadsNothingIsCut) {
  get_and_connect();
  respond();
  client->room = 1;
  observer().on_response_body("0123", false, {});
  client->observer->on_response_timeout();
  expect_over("client_timeout", "streaming_response", 200);
  EXPECT_TRUE(client->was_cut);
  EXPECT_TRUE(request().aborted);
}

TEST_F(ExchangeTest, ABodyThatIsNotHttpIsRejected) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n");
  observer().on_connected(server());
  client->observer->on_request_invalid({400, "bad chunk"});
  expect_over("rejected", "sending_request", 400);
  EXPECT_TRUE(request().aborted);
}

// ---- The server fails

struct FailureCase {
  Failure::Kind kind;
  std::string_view outcome;
  int status;
};
class ExchangeFailureTest : public ExchangeTest, public testing::WithParamInterface<FailureCase> {};

TEST_P(ExchangeFailureTest, BeforeTheHeadIsAnsweredWithItsStatus) {
  get_and_connect();
  observer().on_failed({GetParam().kind, "what happened", false});
  expect_over(GetParam().outcome, "awaiting_response", GetParam().status);
  EXPECT_EQ(client->status, GetParam().status);
  EXPECT_EQ(log_line()["error"], "what happened");
  EXPECT_EQ(client->body.find("what happened"), std::string::npos) << "the client is told too much";
}

INSTANTIATE_TEST_SUITE_P(Kinds, ExchangeFailureTest,
                         testing::Values(FailureCase{Failure::Kind::unreachable, "upstream_unreachable", 502},
                                         FailureCase{Failure::Kind::connect_timeout, "upstream_timeout", 504},
                                         FailureCase{Failure::Kind::reset, "upstream_reset", 502},
                                         FailureCase{Failure::Kind::invalid, "upstream_invalid", 502}),
                         [](const auto& tested) { return "Kind" + std::to_string(tested.index); });

TEST_F(ExchangeTest, AFailureAfterTheHeadCutsTheClientVisibly) {
  get_and_connect();
  respond();
  observer().on_response_body("0123", false, {});
  observer().on_failed({Failure::Kind::reset, "closed", false});
  expect_over("upstream_reset", "streaming_response", 200);
  EXPECT_TRUE(client->was_cut);
  EXPECT_FALSE(client->last);
}

TEST_F(ExchangeTest, AStaleConnectionIsRetriedOnceOnAFreshOne) {
  get_and_connect();
  observer().on_failed({Failure::Kind::reset, "closed", true});
  ASSERT_EQ(fake_upstream->requests.size(), 2U);
  EXPECT_TRUE(request().fresh);
  observer().on_connecting(server());
  observer().on_connected(server());
  observer().on_failed({Failure::Kind::reset, "closed", true});
  EXPECT_EQ(fake_upstream->requests.size(), 2U);
  expect_over("upstream_reset", "awaiting_response", 502);
}

TEST_F(ExchangeTest, AnUnsafeRequestThatTheServerMayHaveSeenIsNotRetried) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n");
  observer().on_connected(server());
  observer().on_failed({Failure::Kind::reset, "closed", true});
  EXPECT_EQ(fake_upstream->requests.size(), 1U);
  expect_over("upstream_reset", "awaiting_response", 502);
}

TEST_F(ExchangeTest, ABodyThatIsHalfForwardedIsNotRetried) {
  send("PUT /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n\r\n");
  observer().on_connected(server());
  client->observer->on_request_body("abc", false);
  observer().on_failed({Failure::Kind::reset, "closed", true});
  EXPECT_EQ(fake_upstream->requests.size(), 1U);
  expect_over("upstream_reset", "sending_request", 502);
}

// What a client holds back until then would go to the next server before the head, as a request of its own.
TEST_F(ExchangeTest, NothingOfABodyIsReadBeforeTheHeadOfARetryIsSent) {
  send("PUT /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n\r\n");
  observer().on_connected(server());
  EXPECT_FALSE(client->paused);
  observer().on_failed({Failure::Kind::reset, "closed", true});
  ASSERT_EQ(fake_upstream->requests.size(), 2U);
  observer().on_connecting(server());
  EXPECT_TRUE(client->paused);
  observer().on_connected(server());
  EXPECT_FALSE(client->paused);
  client->observer->on_request_body("abc", true);
  EXPECT_EQ(request().body, "abc");
}

TEST_F(ExchangeTest, TheCleanupGoesToTheServerThatHadTheRequest) {
  auto cleanup = std::make_shared<config::Cleanup>(*route.on_disconnect.cleanups.front());
  cleanup->to = config::Cleanup::To::same_server;
  cleanup->url = text_template("/jobs/{path.id}");
  route.on_disconnect.cleanups = {cleanup};
  config::Server first{"http://127.0.0.1:9000", *SocketAddress::parse("127.0.0.1:9000"), "127.0.0.1:9000"};
  config::Server second{"http://127.0.0.2:9000", *SocketAddress::parse("127.0.0.2:9000"), "127.0.0.2:9000"};
  upstream_config->servers = {first, second};
  get();
  observer().on_connected(upstream_config->servers[0]);
  observer().on_failed({Failure::Kind::reset, "closed", true});
  observer().on_connecting(upstream_config->servers[1]);
  client->observer->on_gone(scheduler.now());
  ASSERT_EQ(cleanups().size(), 1U);
  EXPECT_EQ(cleanups()[0].url, "http://127.0.0.1:9000/jobs/17");
}

TEST_F(ExchangeTest, ClientGoneAfterARetryStillOwesTheCleanupOfTheFirstTry) {
  get_and_connect();
  observer().on_failed({Failure::Kind::reset, "closed", true});
  observer().on_connecting(server());
  client->observer->on_gone(scheduler.now());
  expect_over("client_gone", "connecting", 499);
  EXPECT_EQ(cleanups().size(), 1U);
}

// ---- Further servers

using upstream::RetryCause;

// What the server does when it has sent nothing, on a connection of its own.
Failure closed_unanswered() {
  return {Failure::Kind::reset, "closed", false, true};
}

TEST_F(ExchangeTest, AnIdempotentRequestThatWasNotAnsweredGoesToAnotherServer) {
  get_and_connect();
  request().there_are_others = true;
  observer().on_failed(closed_unanswered());
  ASSERT_EQ(fake_upstream->requests.size(), 2U);
  EXPECT_EQ(fake_upstream->requests[0]->retries_asked_for, (std::vector{std::pair(RetryCause::reset, 0)}));
  EXPECT_FALSE(request().fresh);
  observer().on_connected(server());  // at once: the connection was kept
  EXPECT_EQ(request().field("X-Request-Id"), fake_upstream->requests[0]->field("X-Request-Id"));
  respond("HTTP/1.1 204 No Content\r\n\r\n");
  observer().on_response_body({}, true, {});
  expect_over("completed", "streaming_response", 204);
}

TEST_F(ExchangeTest, WithoutAnotherServerTheFailureIsTheClients) {
  get_and_connect();
  observer().on_failed(closed_unanswered());
  EXPECT_EQ(request().retries_asked_for.size(), 1U);
  EXPECT_EQ(fake_upstream->requests.size(), 1U);
  expect_over("upstream_reset", "awaiting_response", 502);
}

TEST_F(ExchangeTest, APostWhoseHeadWasSentGoesToNoOtherServer) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n");
  observer().on_connected(server());
  request().there_are_others = true;
  observer().on_failed(closed_unanswered());
  EXPECT_TRUE(request().retries_asked_for.empty()) << "it would count against the budget";
  EXPECT_EQ(fake_upstream->requests.size(), 1U);
  expect_over("upstream_reset", "awaiting_response", 502);
}

TEST_F(ExchangeTest, ARequestThatWasAnsweredInPartGoesToNoOtherServer) {
  get_and_connect();
  request().there_are_others = true;
  observer().on_failed({Failure::Kind::reset, "closed", false, false});
  EXPECT_TRUE(request().retries_asked_for.empty());
  expect_over("upstream_reset", "awaiting_response", 502);
}

TEST_F(ExchangeTest, ARequestWithoutAClientGoesToNoOtherServer) {
  route.on_disconnect.upstream = config::OnDisconnect::Upstream::finish;
  get_and_connect();
  request().there_are_others = true;
  client->observer->on_gone(scheduler.now());
  observer().on_failed(closed_unanswered());
  EXPECT_TRUE(request().retries_asked_for.empty());
  expect_over("client_gone", "awaiting_response", 499);
}

TEST_F(ExchangeTest, AStaleConnectionIsNotReplacedForAClientThatHasGone) {
  route.on_disconnect.upstream = config::OnDisconnect::Upstream::finish;
  get_and_connect();
  client->observer->on_gone(scheduler.now());
  observer().on_failed({Failure::Kind::reset, "closed", true, true});
  EXPECT_EQ(fake_upstream->requests.size(), 1U);
  expect_over("client_gone", "awaiting_response", 499);
}

TEST_F(ExchangeTest, BehindAStaleConnectionComesAnotherServer) {
  get_and_connect();
  observer().on_failed({Failure::Kind::reset, "closed", true, true});
  ASSERT_EQ(fake_upstream->requests.size(), 2U);
  EXPECT_TRUE(fake_upstream->requests[0]->retries_asked_for.empty()) << "it is nobody's failure";
  observer().on_connecting(server());
  observer().on_connected(server());
  request().there_are_others = true;
  observer().on_failed(closed_unanswered());
  EXPECT_EQ(fake_upstream->requests.size(), 3U);
}

TEST_F(ExchangeTest, AStatusThatTheUpstreamListsGoesToAnotherServer) {
  upstream_config->retries.statuses = {503};
  get_and_connect();
  request().there_are_others = true;
  respond("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10\r\n\r\n");
  ASSERT_EQ(fake_upstream->requests.size(), 2U);
  EXPECT_TRUE(fake_upstream->requests[0]->aborted);
  EXPECT_EQ(fake_upstream->requests[0]->retries_asked_for, (std::vector{std::pair(RetryCause::status, 503)}));
  EXPECT_EQ(client->status, 0);
  observer().on_connected(server());
  respond("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n");  // there is no third one
  observer().on_response_body("no", true, {});
  EXPECT_EQ(client->body, "no");
  expect_over("completed", "streaming_response", 503);
}

TEST_F(ExchangeTest, AStatusThatTheUpstreamDoesNotListIsTheAnswer) {
  upstream_config->retries.statuses = {503};
  get_and_connect();
  request().there_are_others = true;
  respond("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client->status, 502);
  EXPECT_TRUE(request().retries_asked_for.empty());
}

TEST_F(ExchangeTest, AStatusInAnswerToABodyThatIsGoneIsTheAnswer) {
  upstream_config->retries.statuses = {503};
  send("PUT /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n\r\n");
  observer().on_connected(server());
  client->observer->on_request_body("abc", true);
  request().there_are_others = true;
  respond("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client->status, 503);
  EXPECT_EQ(fake_upstream->requests.size(), 1U);
}

TEST_F(ExchangeTest, AStatusBehindAnInterimResponseIsTheAnswer) {
  upstream_config->retries.statuses = {503};
  get_and_connect();
  request().there_are_others = true;
  observer().on_interim(parsed_response("HTTP/1.1 103 Early Hints\r\n\r\n"));
  respond("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client->status, 503);
}

TEST_F(ExchangeTest, ServersAreChosenByTheKeyOfTheRequest) {
  upstream_config->hash_key = text_template("{path.id}/{request.header.x-user|nobody}");
  send("GET /jobs/17 HTTP/1.1\r\nHost: example.com\r\nX-User: ann\r\n\r\n");
  EXPECT_EQ(request().balance_key, "17/ann");
  request().there_are_others = true;
  observer().on_connected(server());
  observer().on_failed(closed_unanswered());
  ASSERT_EQ(fake_upstream->requests.size(), 2U);
  EXPECT_EQ(request().balance_key, "17/ann");
}

TEST_F(ExchangeTest, AKeyWithoutAValueIsNone) {
  upstream_config->hash_key = text_template("user-{request.header.x-user}");
  get();
  EXPECT_EQ(request().balance_key, "");
}

// ---- Time

TEST_F(ExchangeTest, AFullQueueIsRejected) {
  get();
  observer().on_failed({Failure::Kind::overloaded, "full", false});
  expect_over("rejected", "queued", 503);
  EXPECT_EQ(client->field("Retry-After"), "1");
}

TEST_F(ExchangeTest, WhoFindsNoPlaceForItsSecondTryHasFailedByTheFirst) {
  get_and_connect();
  request().there_are_others = true;
  observer().on_failed(closed_unanswered());
  ASSERT_EQ(fake_upstream->requests.size(), 2U);
  observer().on_failed({Failure::Kind::overloaded, "full", false});
  expect_over("upstream_reset", "queued", 502);
}

TEST_F(ExchangeTest, WhoWaitsTooLongForItsSecondTryHasFailedByTheFirst) {
  get_and_connect();
  request().there_are_others = true;
  observer().on_failed(closed_unanswered());
  observer().on_queued();
  scheduler.advance(upstream_config->connections.queue_timeout);
  expect_over("upstream_reset", "queued", 502);
}

TEST_F(ExchangeTest, AnOverloadedUpstreamSaysWhenToComeBackInWholeSeconds) {
  upstream_config->connections.retry_after = std::chrono::milliseconds(2500);
  get();
  observer().on_failed({Failure::Kind::overloaded, "full", false});
  expect_over("rejected", "queued", 503);
  EXPECT_EQ(client->field("Retry-After"), "3");
}

TEST_F(ExchangeTest, WaitingInTheQueueHasALimit) {
  get();
  observer().on_queued();
  scheduler.advance(upstream_config->connections.queue_timeout);
  expect_over("rejected", "queued", 503);
  EXPECT_EQ(client->field("Retry-After"), "1");
}

TEST_F(ExchangeTest, ASlowConnectGoesOnWithTheNextServer) {
  get();
  observer().on_connecting(server());
  scheduler.advance(upstream_config->timeouts.connect);
  EXPECT_TRUE(request().gave_up_connecting);
  EXPECT_EQ(proxy->in_flight(), 1U);
}

TEST_F(ExchangeTest, ASlowHeadIsAnUpstreamTimeout) {
  get_and_connect();
  scheduler.advance(upstream_config->timeouts.first_byte);
  expect_over("upstream_timeout", "awaiting_response", 504);
  EXPECT_TRUE(request().aborted);
}

TEST_F(ExchangeTest, ASilentStreamIsCut) {
  get_and_connect();
  respond();
  observer().on_response_body("0", false, {});
  scheduler.advance(upstream_config->timeouts.idle - 1s);
  observer().on_response_body("1", false, {});
  scheduler.advance(upstream_config->timeouts.idle - 1s);
  EXPECT_EQ(proxy->in_flight(), 1U);
  scheduler.advance(1s);
  expect_over("upstream_timeout", "streaming_response", 200);
  EXPECT_TRUE(client->was_cut);
}

TEST_F(ExchangeTest, AServerThatTakesNothingOfTheRequestIsTimedOut) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n\r\n");
  observer().on_connected(server());
  request().takes_body = false;
  client->observer->on_request_body("abc", false);
  scheduler.advance(upstream_config->timeouts.idle);
  expect_over("upstream_timeout", "sending_request", 504);
}

TEST_F(ExchangeTest, AServerThatTakesSomeOfTheRequestIsNotTimedOut) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n\r\n");
  observer().on_connected(server());
  request().takes_body = false;
  client->observer->on_request_body("abc", false);
  for (int i = 0; i < 3; ++i) {
    ++request().acknowledged;
    scheduler.advance(upstream_config->timeouts.idle);
    EXPECT_EQ(proxy->in_flight(), 1U);
  }
  scheduler.advance(upstream_config->timeouts.idle);
  expect_over("upstream_timeout", "sending_request", 504);
}

TEST_F(ExchangeTest, AnUploadThatGoesOnKeepsAnEarlyResponseAlive) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n\r\n");
  observer().on_connected(server());
  respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const std::string_view part : {"a", "b", "c"}) {
    scheduler.advance(upstream_config->timeouts.idle - 1s);
    client->observer->on_request_body(part, false);
  }
  EXPECT_EQ(proxy->in_flight(), 1U);
  scheduler.advance(upstream_config->timeouts.idle);
  expect_over("upstream_timeout", "streaming_response", 200);
}

TEST_F(ExchangeTest, AServerThatDoesNotSayWhetherItWantsTheBodyIsTimedOut) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n");
  observer().on_connected(server());
  scheduler.advance(upstream_config->timeouts.first_byte);
  expect_over("upstream_timeout", "sending_request", 504);
  EXPECT_TRUE(request().head_overdue);
}

TEST_F(ExchangeTest, AServerThatWantsTheBodyWaitsForTheClient) {
  send("POST /jobs/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n");
  observer().on_connected(server());
  http::ResponseHead head;
  head.status = 100;
  observer().on_interim(head);
  scheduler.advance(upstream_config->timeouts.first_byte + 1s);
  EXPECT_EQ(proxy->in_flight(), 1U);
}

TEST_F(ExchangeTest, TheDeadlineEndsAnExchangeInAnyPhaseAndOwesTheCleanup) {
  upstream_config->timeouts.total = 10s;
  get_and_connect();
  respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    scheduler.advance(1s);
    if (proxy->in_flight() != 0) observer().on_response_body("x", false, {});
  }
  expect_over("deadline", "streaming_response", 200);
  EXPECT_TRUE(client->was_cut);
  EXPECT_EQ(cleanups().size(), 1U);
}

TEST_F(ExchangeTest, TheDeadlineBeforeAHeadIs504) {
  upstream_config->timeouts.total = 10s;
  get_and_connect();
  scheduler.advance(10s);
  expect_over("deadline", "awaiting_response", 504);
}

TEST_F(ExchangeTest, ShutdownEndsWhatIsInFlight) {
  get_and_connect();
  proxy->shut_down();
  expect_over("shutdown", "awaiting_response", 503);
  EXPECT_TRUE(request().aborted);
  EXPECT_EQ(cleanups().size(), 1U);
}

TEST_F(ExchangeTest, AnAnswerOfOurOwnThatTheClientNeverTakesEndsOnce) {
  get();
  client->room = 0;
  observer().on_failed({Failure::Kind::unreachable, "refused", false});
  EXPECT_EQ(proxy->in_flight(), 1U);
  client->observer->on_response_timeout();
  expect_over("upstream_unreachable", "reading_request", 502);
  EXPECT_TRUE(client->was_cut);
}

TEST_F(ExchangeTest, TheFirstOfTwoEndsDecides) {
  get();
  client->room = 0;
  observer().on_failed({Failure::Kind::unreachable, "refused", false});
  client->observer->on_gone(scheduler.now());
  expect_over("upstream_unreachable", "reading_request", 502);
  EXPECT_TRUE(cleanups().empty());
}

TEST_F(ExchangeTest, ARequestThatTheFrontEndRefusesIsAnsweredAndLogged) {
  make_proxy();
  client = std::make_unique<test::FakeClient>(scheduler.now());
  proxy->on_refused(*client, {}, {Outcome::rejected, 431, "too many header fields"});
  expect_over("rejected", "reading_request", 431);
  EXPECT_NE(client->body.find("too many header fields"), std::string::npos);
}

TEST_F(ExchangeTest, AClientThatLeavesInTheMiddleOfAHeadIsLogged) {
  make_proxy();
  client = std::make_unique<test::FakeClient>(scheduler.now());
  proxy->on_abandoned(client->info, scheduler.now());
  expect_over("client_gone", "reading_request", 499);
}

}  // namespace
}  // namespace hangup
