// The webhook itself: what is sent, how it is retried, when it is skipped.
#include "e2e/fixture.h"

#include <algorithm>

namespace hangup::test {
namespace {

class Cleanup : public EndToEnd {
 protected:
  // A client that leaves while it waits; returns when hangup has drained, so that all calls have been made.
  Json leave_while_waiting(const std::string& request) {
    Client client = connect();
    client.send(request);
    upstream.wait_for_requests(1);
    client.close();
    hangup->wait_for_exchange();
    return only_exchange();
  }
  std::vector<Json> attempts() { return hangup->access_log("cleanup"); }
  void SetUp() override { upstream.otherwise(never_answer()); }
};

TEST_F(Cleanup, IsACloudEventByDefault) {
  start();
  const Json exchange = leave_while_waiting(get("/work?a=b"));
  const Call call = only_call(exchange);
  EXPECT_EQ(call.message.method, "POST");
  EXPECT_EQ(call.message.target, "/stop");
  EXPECT_TRUE(call.message.header("Content-Type").value_or("").starts_with("application/cloudevents+json"));
  EXPECT_TRUE(call.message.has("webhook-timestamp"));
  EXPECT_EQ(call.message.header("Host"), receiver.server().authority());
  EXPECT_EQ(call.body.at("specversion"), "1.0");
  EXPECT_TRUE(call.body.contains("id"));
  EXPECT_TRUE(call.body.contains("source"));
  EXPECT_TRUE(call.body.contains("type"));
  const Json& data = call.body.at("data");
  EXPECT_EQ(data.at("outcome"), "client_gone");
  EXPECT_EQ(data.at("phase"), "awaiting_response");
  EXPECT_EQ(data.at("method"), "GET");
  EXPECT_EQ(data.at("path"), "/work");
  EXPECT_EQ(data.at("route"), "all");
  EXPECT_EQ(data.at("upstream"), upstream.url());
  EXPECT_EQ(data.at("client"), exchange.at("client"));

  ASSERT_EQ(attempts().size(), 1U);
  const Json attempt = attempts().front();
  EXPECT_EQ(attempt.at("result"), "delivered");
  EXPECT_EQ(attempt.at("attempt"), 1);
  EXPECT_EQ(attempt.at("status"), 204);
  EXPECT_EQ(attempt.at("cleanup"), "stop");
  EXPECT_EQ(attempt.at("request_id"), exchange.at("request_id"));
  EXPECT_EQ(attempt.at("webhook_id"), call.webhook_id());
}

TEST_F(Cleanup, NamesTheRequestThatTheUpstreamGot) {
  start();
  const Json exchange = leave_while_waiting(get("/work"));
  EXPECT_EQ(upstream.requests().front().message.header("X-Request-Id"),
            exchange.at("request_id").get<std::string>());
  only_call(exchange);
}

TEST_F(Cleanup, CanBeADeleteOfTheJob) {
  Yaml yaml;
  yaml.match = R"(path: "/jobs/{id}", methods: [POST])";
  yaml.cleanup_url =
      receiver.url("/jobs/{path.id}/{request.id}?q={request.query.q}&none={request.query.none|-}");
  yaml.cleanup = R"(method: DELETE, body: none, headers: {Authorization: "Bearer t", X-From: "{client.ip}"})";
  start(yaml);
  const Json exchange = leave_while_waiting(post("/jobs/a%20b%2Fc?q=x%26y", "{}"));
  const Call call = only_call(exchange);
  EXPECT_EQ(call.message.method, "DELETE");
  EXPECT_EQ(call.message.target,
            "/jobs/a%20b%2Fc/" + exchange.at("request_id").get<std::string>() + "?q=x%26y&none=-");
  EXPECT_EQ(call.message.header("Authorization"), "Bearer t");
  EXPECT_EQ(call.message.header("X-From"), "127.0.0.1");
  EXPECT_EQ(call.message.body_bytes, 0U);
}

TEST_F(Cleanup, EscapesValuesInAJsonBody) {
  Yaml yaml;
  yaml.cleanup =
      R"(headers: {Content-Type: application/json}, body: '{"job": "{request.header.x-job}", "m": "{request.method}"}')";
  start(yaml);
  const Json exchange = leave_while_waiting(get("/work", {{"X-Job", R"(a","admin":"true)"}}));
  const auto calls = receiver.calls();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].body, (Json{{"job", R"(a","admin":"true)"}, {"m", "GET"}}));
  EXPECT_EQ(exchange.at("cleanup"), Json::array({calls[0].webhook_id()}));
}

TEST_F(Cleanup, KnowsTheHeadersOfTheResponse) {
  upstream.otherwise(Script().send(chunked_head(202, {{"X-Query-Id", "q7"}}) + chunk("...")));
  Yaml yaml;
  yaml.cleanup_url =
      receiver.url("/kill/{response.header.x-query-id}/{response.status}/{phase}/{outcome}/{route}");
  start(yaml);
  Client client = connect();
  client.send(get("/query"));
  client.read_head();
  client.read_body(3);
  client.close();
  receiver.wait_for_call();
  const Call call = only_call(only_exchange());
  EXPECT_EQ(call.message.target, "/kill/q7/202/streaming_response/client_gone/all");
}

TEST_F(Cleanup, IsSkippedAndLoggedWhenAValueIsMissing) {
  Yaml yaml;
  yaml.cleanup_url = receiver.url("/jobs/{request.header.x-job-id}");
  start(yaml);
  const Json exchange = leave_while_waiting(get("/work"));
  expect_end(exchange, "client_gone", "awaiting_response", 499);
  ASSERT_TRUE(exchange.at("cleanup").is_string()) << exchange;
  EXPECT_TRUE(exchange.at("cleanup").get<std::string>().starts_with("skipped: ")) << exchange;
  EXPECT_NE(exchange.at("cleanup").get<std::string>().find("request.header.x-job-id"), std::string::npos);
  expect_no_call(exchange);
}

TEST_F(Cleanup, IsTriedAgainWithTheSameId) {
  // The close comes first, on a connection that is new: a kept one is replaced without counting as an
  // attempt.
  receiver.server().on("/stop",
                       in_turn({Script().after_body().close(), respond(503), respond(429), respond(204)}));
  Yaml yaml;
  yaml.cleanup = "retry: {backoff: {base: 10ms, max: 20ms}}";
  start(yaml);
  const Json exchange = leave_while_waiting(get("/work"));
  const auto calls = receiver.calls();
  ASSERT_EQ(calls.size(), 4U);
  for (const Call& call : calls) EXPECT_EQ(exchange.at("cleanup").at(0), call.webhook_id());
  const auto lines = attempts();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].at("result"), "retry");
  EXPECT_EQ(lines[0].at("status"), 0);
  EXPECT_EQ(lines[1].at("status"), 503);
  EXPECT_EQ(lines[2].at("status"), 429);
  EXPECT_EQ(lines[2].at("result"), "retry");
  EXPECT_EQ(lines[3].at("result"), "delivered");
  EXPECT_EQ(lines[3].at("attempt"), 4);
}

TEST_F(Cleanup, IsDeadAtOnceWhenTheReceiverRefusesIt) {
  receiver.server().on("/stop", respond(404));
  start();
  leave_while_waiting(get("/work"));
  EXPECT_EQ(receiver.calls().size(), 1U);
  ASSERT_EQ(attempts().size(), 1U);
  EXPECT_EQ(attempts()[0].at("result"), "dead");
  EXPECT_EQ(attempts()[0].at("status"), 404);
}

TEST_F(Cleanup, IsDeadAfterItsLastAttempt) {
  const RefusingPort nobody;
  Yaml yaml;
  yaml.cleanup_url = nobody.url() + "/stop";
  yaml.cleanup = "retry: {max_attempts: 3, backoff: {base: 5ms, max: 10ms}}";
  start(yaml);
  leave_while_waiting(get("/work"));
  const auto lines = attempts();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].at("result"), "retry");
  EXPECT_EQ(lines[1].at("result"), "retry");
  EXPECT_EQ(lines[2].at("result"), "dead");
}

TEST_F(Cleanup, GivesUpAnAttemptThatIsNotAnsweredInTime) {
  receiver.server().on("/stop", in_turn({never_answer(), respond(204)}));
  Yaml yaml;
  yaml.cleanup = "timeout: 1s, retry: {backoff: {base: 5ms, max: 10ms}}";
  start(yaml);
  leave_while_waiting(get("/work"));
  EXPECT_EQ(receiver.calls().size(), 2U);
  const auto lines = attempts();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].at("result"), "retry");
  EXPECT_EQ(lines[1].at("result"), "delivered");
}

TEST_F(Cleanup, DoesNotFollowARedirect) {
  receiver.server().on("/stop", respond(307, "", {{"Location", receiver.url("/elsewhere")}}));
  Yaml yaml;
  yaml.cleanup = "retry: {max_attempts: 1}";
  start(yaml);
  leave_while_waiting(get("/work"));
  for (const Call& call : receiver.calls()) EXPECT_EQ(call.message.target, "/stop");
  EXPECT_EQ(attempts().back().at("result"), "dead");
}

TEST_F(Cleanup, OfAReceiverThatNeverAnswersHoldsUpNoExchange) {
  receiver.server().otherwise(never_answer());
  upstream.on("/quick", respond(200, "quick"));
  Yaml yaml;
  // What waits because the receiver is given a rest is dead in time as well.
  yaml.cleanup = "timeout: 200ms, expire_after: 1s, retry: {max_attempts: 1}";
  start(yaml);
  for (int i = 1; i <= 20; ++i) {
    Client leaves = connect();
    leaves.send(get("/work"));
    const RequestRecord request = upstream.wait_for_request("/work", static_cast<std::size_t>(i));
    leaves.close();
    upstream.wait_for_close(request);
    EXPECT_EQ(connect().exchange(get("/quick")).body, "quick");
  }
  receiver.wait_for_calls(1);
  drain();
  EXPECT_EQ(std::ranges::count(attempts(), "dead", [](const Json& line) { return line.at("result"); }), 20);
}

}  // namespace
}  // namespace hangup::test
