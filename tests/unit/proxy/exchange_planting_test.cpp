// What an exchange plants in the request that it forwards.
#include "unit/proxy/exchange_fixture.h"

#include <gmock/gmock.h>

namespace hangup {
namespace {

using testing::ElementsAre, testing::IsEmpty;

class PlantingTest : public ExchangeTest {
 protected:
  PlantingTest() { route.request.set_json = {{"rid", text_template("job-{path.id}")}}; }

  void post(const std::string& fields) {
    send("POST /jobs/17 HTTP/1.1\r\nHost: example.com\r\n" + fields + "\r\n");
  }
  void post_json(std::size_t length, const std::string& fields = {}) {
    post("Content-Type: application/json\r\nContent-Length: " + std::to_string(length) + "\r\n" + fields);
  }
  void post_json(const std::string& body) {
    post_json(body.size());
    client->observer->on_request_body(body, true);
  }
  void expect_left_alone(const std::string& reason) {
    EXPECT_THAT(messages.messages(), ElementsAre(testing::HasSubstr(reason)));
    EXPECT_THAT(messages.messages().front(), testing::HasSubstr("route=jobs"));
  }
};

TEST_F(PlantingTest, SetsAFieldAndTheLengthThatFollows) {
  post_json(R"({"a":1})");
  observer().on_connected(server());
  EXPECT_EQ(request().body, R"({"a":1,"rid":"job-17"})");
  EXPECT_EQ(request().framing, http::Framing::of_length(request().body.size()));
  EXPECT_TRUE(request().last);
  EXPECT_THAT(messages.messages(), IsEmpty());
}

TEST_F(PlantingTest, AsksForNoServerBeforeTheBodyIsWhole) {
  post_json(7);
  EXPECT_FALSE(client->paused);
  client->observer->on_request_body("{\"a\"", false);
  EXPECT_TRUE(fake_upstream->requests.empty());
  client->observer->on_request_body(":1}", true);
  EXPECT_EQ(fake_upstream->requests.size(), 1U);
}

TEST_F(PlantingTest, AClientThatLeavesBeforeThatCostsTheUpstreamNothing) {
  post_json(7);
  client->observer->on_request_body("{\"a\"", false);
  client->observer->on_gone(scheduler.now());
  expect_over("client_gone", "reading_request", 499);
  EXPECT_TRUE(fake_upstream->requests.empty());
  EXPECT_THAT(cleanups(), IsEmpty());
}

TEST_F(PlantingTest, ASlowBodyIsAnsweredWith408) {
  post_json(7);
  client->observer->on_request_timeout();
  expect_over("client_timeout", "reading_request", 408);
}

TEST_F(PlantingTest, ABodyOverTheListenersLimitIsAnsweredWith413) {
  post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
  client->observer->on_request_body("{", false);
  client->observer->on_request_invalid({413, "too long"});
  expect_over("rejected", "reading_request", 413);
}

TEST_F(PlantingTest, TheExchangesTotalTimeRunsMeanwhile) {
  post_json(7);
  scheduler.advance(upstream_config->timeouts.total);
  expect_over("deadline", "reading_request", 504);
}

TEST_F(PlantingTest, AClientThatExpectsAContinueGetsItFromHangup) {
  post_json(2, "Expect: 100-continue\r\n");
  EXPECT_THAT(client->interims, ElementsAre(100));
  client->observer->on_request_body("{}", true);
  observer().on_connected(server());
  EXPECT_EQ(request().count("Expect"), 0U);
}

TEST_F(PlantingTest, LeavesTheContinueToTheServerWhenTheBodyIsNotEdited) {
  post("Content-Type: text/plain\r\nContent-Length: 2\r\nExpect: 100-continue\r\n");
  EXPECT_THAT(client->interims, IsEmpty());
  observer().on_connected(server());
  EXPECT_EQ(request().field("Expect"), "100-continue");
}

TEST_F(PlantingTest, AnEditedChunkedBodyHasALength) {
  post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
  client->observer->on_request_body("{}", true);
  observer().on_connected(server());
  EXPECT_EQ(request().framing, http::Framing::of_length(request().body.size()));
}

TEST_F(PlantingTest, TrailersOfAChunkedBodyAreKept) {
  post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
  client->request_trailers.add("X-Sum", "1");
  client->observer->on_request_body("{}", true);
  observer().on_connected(server());
  EXPECT_EQ(request().framing, http::Framing::in_chunks());
  EXPECT_EQ(request().body, R"({"rid":"job-17"})");
  EXPECT_THAT(request().trailers, ElementsAre(testing::Pair("X-Sum", "1")));
}

TEST_F(PlantingTest, LeavesABodyAloneThatIsNoJsonObject) {
  for (const std::string body : {"[1]", "{\"a\":1,}", "hello"}) {
    SCOPED_TRACE(body);
    messages = {};
    proxy.reset();
    post_json(body);
    observer().on_connected(server());
    EXPECT_EQ(request().body, body);
    EXPECT_EQ(request().framing, http::Framing::of_length(body.size()));
    expect_left_alone(body == "[1]" ? "it is not an object" : "it is not JSON: ");
    client->observer->on_gone(scheduler.now());
    scheduler.run();
  }
}

TEST_F(PlantingTest, LeavesABodyAloneWhenOneOfItsFieldsCanNotBeSet) {
  route.request.set_json.emplace_back("a.b", text_template("x"));
  post_json(R"({"a":1})");
  observer().on_connected(server());
  EXPECT_EQ(request().body, R"({"a":1})");
  expect_left_alone("a in it is not an object");
}

TEST_F(PlantingTest, LeavesAloneWhatIsNotPlainJson) {
  for (const auto& [fields, reason] : std::vector<std::pair<std::string, std::string>>{
           {"Content-Type: text/plain\r\nContent-Length: 2\r\n", "its media type is not application/json"},
           {"Content-Type: application/x+json\r\nContent-Length: 2\r\n",
            "its media type is not application/json"},
           {"Content-Length: 2\r\n", "its media type is not application/json"},
           {"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n",
            "it has a content coding"},
           {"Content-Type: application/json\r\nContent-Length: 0\r\n", "there is none"},
           {"Content-Type: application/json\r\nContent-Length: 1048577\r\n",
            "it is longer than json_limit, 1MiB"},
       }) {
    SCOPED_TRACE(fields);
    messages = {};
    proxy.reset();
    post(fields);
    EXPECT_EQ(fake_upstream->requests.size(), 1U) << "it waited for the body";
    expect_left_alone(reason);
    client->observer->on_gone(scheduler.now());
    scheduler.run();
  }
}

TEST_F(PlantingTest, ForwardsAChunkedBodyOverTheLimitAsItCame) {
  route.request.json_limit = {8};
  post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
  client->observer->on_request_body("{\"a\":1", false);
  EXPECT_TRUE(fake_upstream->requests.empty());
  client->observer->on_request_body(",\"b\":2", false);
  EXPECT_TRUE(client->paused);
  expect_left_alone("it is longer than json_limit, 8");
  observer().on_connected(server());
  EXPECT_FALSE(client->paused);
  EXPECT_EQ(request().body, R"({"a":1,"b":2)");
  EXPECT_FALSE(request().last);
  client->observer->on_request_body("}", true);
  EXPECT_EQ(request().body, R"({"a":1,"b":2})");
  EXPECT_EQ(request().framing, http::Framing::in_chunks());
  EXPECT_TRUE(request().last);
}

TEST_F(PlantingTest, ABodyOverTheLimitWaitsForAServerThatTakesNothing) {
  route.request.json_limit = {1};
  post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
  client->observer->on_request_body("{\"a\":1", false);
  request().takes_body = false;
  observer().on_connected(server());
  EXPECT_TRUE(client->paused);
  observer().on_request_drained();
  EXPECT_FALSE(client->paused);
}

TEST_F(PlantingTest, AFieldWithoutAValueStaysAsItIs) {
  route.request.set_json = {{"user", text_template("{request.header.x-user}")},
                            {"rid", text_template("{path.id}")}};
  post_json(R"({"user":"me"})");
  observer().on_connected(server());
  EXPECT_EQ(request().body, R"({"user":"me","rid":"17"})");
}

TEST_F(PlantingTest, ARawValueIsPlantedIfItIsJson) {
  route.request.set_json = {{"n", text_template("{request.query.x|raw}")}};
  post_json("{}");
  observer().on_connected(server());
  EXPECT_EQ(request().body, "{}");  // it has none
  proxy.reset();
  send(
      "POST /jobs/1?x=[1,%202] HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
      "2\r\n\r\n");
  client->observer->on_request_body("{}", true);
  observer().on_connected(server());
  EXPECT_EQ(request().body, R"({"n":[1, 2]})");
  proxy.reset();
  messages = {};
  send(
      "POST /jobs/1?x=1,%22admin%22:true HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-"
      "Length: 2\r\n\r\n");
  client->observer->on_request_body("{}", true);
  observer().on_connected(server());
  EXPECT_EQ(request().body, "{}");
  expect_left_alone("the value of {request.query.x|raw} is not JSON");
}

TEST_F(PlantingTest, AHostileValueStaysInsideOfItsString) {
  route.request.set_json = {{"x", text_template("<{request.query.x}>")}};
  send(
      "POST /jobs/1?x=%22,%22admin%22:true,%5C%00%0D%0A%ff%c3%a4%25 HTTP/1.1\r\nHost: a\r\nContent-Type: "
      "application/json\r\nContent-Length: 2\r\n\r\n");
  client->observer->on_request_body("{}", true);
  observer().on_connected(server());
  const json body = json::parse(request().body);
  EXPECT_EQ(body.size(), 1U);
  EXPECT_EQ(body["x"], std::string("<\",\"admin\":true,\\\0\r\n\xef\xbf\xbd\xc3\xa4%>", 27));
}

TEST_F(PlantingTest, AnEditedBodyIsSentAgainAfterAStaleConnection) {
  send("PUT /jobs/17 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n");
  client->observer->on_request_body("{}", true);
  observer().on_connected(server());
  observer().on_failed({upstream::Failure::Kind::reset, "closed", true});
  ASSERT_EQ(fake_upstream->requests.size(), 2U);
  observer().on_connecting(server());
  observer().on_connected(server());
  EXPECT_EQ(request().body, R"({"rid":"job-17"})");
  EXPECT_TRUE(request().last);
}

TEST_F(ExchangeTest, SetsParametersOfTheQuery) {
  route.request.set_query = {{"x", text_template("{path.id}")},
                             {"job", text_template("{request.query.none}")}};
  send("GET /jobs/17?a=1&x=2&job=3&b=%41 HTTP/1.1\r\nHost: a\r\n\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().target, "/jobs/17?a=1&b=%41&x=17");
}

TEST_F(ExchangeTest, SetsParametersOfTheQueryOfAnAbsoluteForm) {
  route.request.set_query = {{"x", text_template("{path.id}")}};
  send("GET http://a/jobs/17 HTTP/1.1\r\nHost: a\r\n\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().target, "/jobs/17?x=17");
}

TEST_F(ExchangeTest, LeavesNoQuestionMarkBehindWhenTheQueryIsEmpty) {
  route.request.set_query = {{"x", text_template("{request.header.none}")}};
  send("GET /jobs/17?x=2 HTTP/1.1\r\nHost: a\r\n\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().target, "/jobs/17");
}

}  // namespace
}  // namespace hangup
