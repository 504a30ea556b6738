// Requests and responses pass unchanged in what matters, whatever their method, framing and version.
#include "e2e/fixture.h"

#include <algorithm>

namespace hangup::test {
namespace {

using Proxying = EndToEnd;

TEST_F(Proxying, PassesAGetAndItsResponse) {
  upstream.on("/work",
              respond(201, "made", {{"X-Answer", "42"}, {"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}}));
  start();
  const Response response =
      connect().exchange(get("/work?q=a%20b&r", {{"X-Question", "why"}, {"Accept", "*/*"}}));
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.reason, "Something");
  EXPECT_EQ(response.body, "made");
  EXPECT_EQ(response.header("X-Answer"), "42");
  EXPECT_EQ(response.all("Set-Cookie"), (std::vector<std::string>{"a=1", "b=2"}));

  const Message request = upstream.wait_for_request("/work").message;
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target, "/work?q=a%20b&r");
  EXPECT_EQ(request.version, "HTTP/1.1");
  EXPECT_EQ(request.header("X-Question"), "why");
  EXPECT_EQ(request.header("Accept"), "*/*");
  EXPECT_FALSE(request.has("Content-Length"));
  EXPECT_FALSE(request.has("Transfer-Encoding"));
}

TEST_F(Proxying, LogsWhatHappened) {
  start();
  Client client = connect();
  EXPECT_EQ(client.exchange(post("/work?secret=1", "12345", {{"Authorization", "Bearer topsecret"}})).body,
            "ok");
  const Json exchange = only_exchange();
  expect_end(exchange, "completed", "streaming_response", 200);
  EXPECT_EQ(exchange.at("type"), "exchange");
  EXPECT_EQ(exchange.at("client"), client.local().to_string());
  EXPECT_EQ(exchange.at("method"), "POST");
  EXPECT_EQ(exchange.at("host"), "test.example");
  EXPECT_EQ(exchange.at("path"), "/work");
  EXPECT_EQ(exchange.at("route"), "all");
  EXPECT_EQ(exchange.at("bytes_in"), 5);
  EXPECT_EQ(exchange.at("bytes_out"), 2);
  EXPECT_EQ(exchange.at("upstream"), upstream.url());
  EXPECT_TRUE(exchange.at("duration_ms").is_number());
  EXPECT_TRUE(exchange.at("ttfb_ms").is_number());
  EXPECT_TRUE(exchange.at("upstream_ms").is_number());
  EXPECT_TRUE(exchange.at("abort_us").is_null());
  EXPECT_TRUE(exchange.at("cleanup").is_null());
  EXPECT_FALSE(exchange.contains("error"));
  EXPECT_EQ(exchange.dump().find("topsecret"), std::string::npos);
  EXPECT_EQ(hangup->log().find("topsecret"), std::string::npos);
}

TEST_F(Proxying, PassesEveryMethod) {
  start();
  Client client = connect();
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "X-OWN"}) {
    EXPECT_EQ(client.exchange(request(method, "/work")).body, "ok") << method;
    EXPECT_EQ(upstream.requests().back().message.method, method);
  }
}

TEST_F(Proxying, PassesAHeadWithTheLengthOfWhatItStandsFor) {
  upstream.on("/work", Script().send(response_head(200, {{"Content-Length", "1000"}})));
  start();
  Client client = connect();
  client.send(request("HEAD", "/work"));
  const Response response = client.read_response("HEAD");
  EXPECT_EQ(response.header("Content-Length"), "1000");
  EXPECT_EQ(response.body_bytes, 0U);
  EXPECT_EQ(client.exchange(get("/next")).body, "ok");
}

TEST_F(Proxying, PassesResponsesThatHaveNoBody) {
  upstream.on("/204", respond(204, {}, {{"X-A", "b"}}));
  upstream.on("/304", respond(304, {}, {{"ETag", "\"e\""}}));
  upstream.on("/empty", respond(200));
  start();
  Client client = connect();
  const Response no_content = client.exchange(get("/204"));
  EXPECT_EQ(no_content.status, 204);
  EXPECT_FALSE(no_content.has("Content-Length"));
  EXPECT_FALSE(no_content.has("Transfer-Encoding"));
  const Response not_modified = client.exchange(get("/304"));
  EXPECT_EQ(not_modified.status, 304);
  EXPECT_EQ(not_modified.header("ETag"), "\"e\"");
  EXPECT_EQ(client.exchange(get("/empty")).header("Content-Length"), "0");
  EXPECT_EQ(client.exchange(get("/next")).body, "ok");
}

TEST_F(Proxying, PassesInterimResponsesToWhoUnderstandsThem) {
  upstream.on("/work", Script().send(response_head(103, {{"Link", "</a.css>"}}) + response(200, "ok")));
  start();
  const Response response = connect().exchange(get("/work"));
  ASSERT_EQ(response.interim.size(), 1U);
  EXPECT_EQ(response.interim[0].status, 103);
  EXPECT_EQ(response.interim[0].header("Link"), "</a.css>");
  EXPECT_EQ(response.body, "ok");

  const Response old = connect().exchange("GET /work HTTP/1.0\r\nHost: test.example\r\n\r\n");
  EXPECT_TRUE(old.interim.empty());
  EXPECT_EQ(old.body, "ok");
}

TEST_F(Proxying, LetsAClientThatExpectsContinueGoOn) {
  upstream.on("/work", [](const RequestRecord& request) {
    Script script;
    if (request.message.has("Expect")) script.send(response_head(100, {}));
    return script.after_body().send(response(200, "thanks"));
  });
  start();
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_interim().status, 100);
  client.send("body");
  EXPECT_EQ(client.read_response("POST").body, "thanks");
  EXPECT_EQ(upstream.requests().front().message.body, "body");
}

TEST_F(Proxying, PassesARefusalToAClientThatExpectsContinue) {
  upstream.on("/work", Script().send(response(403, "no")));
  start();
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  const Response response = client.read_response("POST");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.header("Connection"), "close");
  EXPECT_EQ(client.wait_for_close(), Closed::fin);
}

TEST_F(Proxying, AnswersPipelinedRequestsInOrder) {
  upstream.on("/1", Script().gate("go").send(response(200, "one")));
  upstream.on("/2", respond(200, "two"));
  upstream.on("/3", respond(200, "three"));
  start();
  Client client = connect();
  client.send(get("/1") + post("/2", "with a body") + get("/3"));
  upstream.wait_for_request("/1");
  upstream.open("go");
  EXPECT_EQ(client.read_response().body, "one");
  EXPECT_EQ(client.read_response("POST").body, "two");
  EXPECT_EQ(client.read_response().body, "three");
  drain();
  const auto exchanges = hangup->access_log("exchange");
  ASSERT_EQ(exchanges.size(), 3U);
  for (const Json& line : exchanges) expect_end(line, "completed", "streaming_response", 200);
  EXPECT_EQ(exchanges[0].at("path"), "/1");
  EXPECT_EQ(exchanges[2].at("path"), "/3");
}

TEST_F(Proxying, ReadsARequestThatComesByteByByte) {
  start();
  Client client = connect();
  const std::string bytes = "\r\n" + post("/work", "slow");
  for (const char byte : bytes) client.send(std::string_view(&byte, 1));
  EXPECT_EQ(client.read_response("POST").body, "ok");
  EXPECT_EQ(upstream.requests().front().message.body, "slow");
}

TEST_F(Proxying, ServesHttp10ClientsAndClosesAfterTheAnswer) {
  upstream.on("/chunked",
              Script().send(chunked_head() + chunk("some ") + chunk("text") + std::string(last_chunk)));
  start();
  for (const char* path : {"/chunked", "/plain"}) {
    Client client = connect();
    client.send("GET " + std::string(path) + " HTTP/1.0\r\nHost: test.example\r\n\r\n");
    const Response response = client.read_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.complete);
    EXPECT_FALSE(response.has("Transfer-Encoding"));
    EXPECT_EQ(response.body, std::string_view(path) == "/plain" ? "ok" : "some text");
    EXPECT_EQ(client.wait_for_close(), Closed::fin);
    EXPECT_EQ(upstream.requests().back().message.version, "HTTP/1.1");
  }
}

TEST_F(Proxying, ClosesWhenTheClientAsks) {
  start();
  Client client = connect();
  const Response response = client.exchange(get("/work", {{"Connection", "close"}}));
  EXPECT_EQ(response.header("Connection"), "close");
  EXPECT_EQ(client.wait_for_close(), Closed::fin);
  expect_end(only_exchange(), "completed", "streaming_response", 200);
}

TEST_F(Proxying, UsesOneConnectionUpstreamForRequestsInSuccession) {
  Yaml yaml;
  yaml.workers = 1;
  start(yaml);
  Client client = connect();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.exchange(get("/work")).status, 200);
  EXPECT_EQ(client.exchange(post("/work", "body")).status, 200);
  EXPECT_EQ(connect().exchange(get("/work")).status, 200);
  EXPECT_EQ(upstream.connections().size(), 1U);
}

TEST_F(Proxying, TakesANewConnectionWhenTheServerClosesAfterItsAnswer) {
  upstream.otherwise(Script().after_body().send(response(200, "ok", {{"Connection", "close"}})).close());
  start();
  Client client = connect();
  for (int i = 0; i < 3; ++i) {
    const Response response = client.exchange(get("/work"));
    EXPECT_EQ(response.body, "ok");
    EXPECT_FALSE(response.has("Connection"));
  }
  EXPECT_EQ(upstream.connections().size(), 3U);
}

TEST_F(Proxying, ClosesIdleConnectionsUpstreamAfterTheirTime) {
  Yaml yaml;
  yaml.upstream = "connections: {idle: 200ms}";
  start(yaml);
  EXPECT_EQ(connect().exchange(get("/work")).status, 200);
  upstream.wait_for_closes(1);
}

TEST_F(Proxying, BoundsTheConnectionsToAServer) {
  upstream.otherwise(Script().gate("go").send(response(200, "ok")));
  Yaml yaml;
  yaml.upstream = "connections: {max: 3, queue: 100}";
  yaml.workers = 1;  // several hand places on to each other by closing and opening connections
  start(yaml);
  std::vector<Client> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(connect());
  for (Client& client : clients) client.send(get("/work"));
  upstream.wait_for_requests(3);
  upstream.open("go");
  for (Client& client : clients) EXPECT_EQ(client.read_response().status, 200);
  EXPECT_LE(upstream.connections().size(), 3U);
  EXPECT_EQ(upstream.request_count(), 12U);
}

}  // namespace
}  // namespace hangup::test
