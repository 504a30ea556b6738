// Which header fields pass, which stay, and which hangup adds.
#include "e2e/fixture.h"

#include <algorithm>
#include <regex>

namespace hangup::test {
namespace {

class Headers : public EndToEnd {
 protected:
  // What the upstream gets of a request.
  Message forwarded(const std::string& request, const Yaml& yaml = {}) {
    start(yaml);
    EXPECT_EQ(connect().exchange(request).status, 200);
    upstream.wait_for_requests(1);
    return upstream.requests().front().message;
  }
};

TEST_F(Headers, OfOneConnectionAreNotForwardedUpstream) {
  const Message request = forwarded(get("/work", {{"Connection", "X-Private, keep-alive"},
                                                  {"Connection", "x-other"},
                                                  {"X-Private", "1"},
                                                  {"X-Other", "2"},
                                                  {"Keep-Alive", "timeout=5"},
                                                  {"Proxy-Connection", "keep-alive"},
                                                  {"TE", "trailers"},
                                                  {"Upgrade", "h2c"},
                                                  {"X-Public", "3"}}));
  for (const char* name : {"X-Private", "X-Other", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade"}) {
    EXPECT_FALSE(request.has(name)) << name;
  }
  EXPECT_NE(request.header("Connection"), "X-Private, keep-alive");
  EXPECT_EQ(request.header("X-Public"), "3");
}

TEST_F(Headers, OfOneConnectionAreNotForwardedToTheClient) {
  upstream.on("/work", respond(200, "ok",
                               {{"Connection", "X-Private"},
                                {"X-Private", "1"},
                                {"Keep-Alive", "timeout=5"},
                                {"Proxy-Connection", "keep-alive"},
                                {"Upgrade", "h2c"},
                                {"X-Public", "2"}}));
  start();
  const Response response = connect().exchange(get("/work"));
  for (const char* name : {"X-Private", "Keep-Alive", "Proxy-Connection", "Upgrade"}) {
    EXPECT_FALSE(response.has(name)) << name;
  }
  EXPECT_EQ(response.header("X-Public"), "2");
}

// "Connection: Content-Length" must not be a way to change a message's framing.
TEST_F(Headers, OfFramingCanNotBeStrippedByTheConnectionList) {
  start();
  Client client = connect();
  client.send(post("/work", "body", {{"Connection", "Content-Length, Host"}}));
  const Response response = client.read_response("POST");
  if (response.status == 200) {
    EXPECT_EQ(upstream.requests().front().message.body, "body");
    EXPECT_EQ(upstream.requests().front().message.header("Host"), "test.example");
  } else {
    EXPECT_EQ(response.status, 400);
  }
}

TEST_F(Headers, SayWhoForwardedForWhom) {
  const Message request = forwarded(get("/work"));
  EXPECT_TRUE(request.header("Via").value_or("").starts_with("1.1 "))
      << request.header("Via").value_or("none");
  EXPECT_EQ(request.header("X-Forwarded-For"), "127.0.0.1");
  EXPECT_EQ(request.header("X-Forwarded-Proto"), "http");
  EXPECT_EQ(request.header("X-Forwarded-Host"), "test.example");
  EXPECT_EQ(request.header("Host"), "test.example");
}

TEST_F(Headers, OfProxiesBeforeAreNotBelieved) {
  const std::string forged = "018f6c1e-7b7a-7c4e-9c3a-2f1d5b8e9a01";
  const Message request = forwarded(get("/work", {{"Via", "1.0 front"},
                                                  {"X-Forwarded-For", "6.6.6.6"},
                                                  {"X-Forwarded-Proto", "https"},
                                                  {"X-Forwarded-Host", "evil.example"},
                                                  {"X-Request-Id", forged}}));
  EXPECT_TRUE(request.header("X-Forwarded-For").value_or("").ends_with("127.0.0.1"));
  EXPECT_EQ(request.header("X-Forwarded-Proto"), "http");
  EXPECT_EQ(request.header("X-Forwarded-Host"), "test.example");
  EXPECT_NE(request.header("X-Request-Id"), forged);
  std::string via;
  for (const std::string& value : request.all("Via")) via += value + ", ";
  EXPECT_TRUE(via.starts_with("1.0 front, 1.1 ")) << via;
}

TEST_F(Headers, NameTheRequestByAUuidOfVersion7) {
  const Message request = forwarded(get("/work"));
  const std::string id = request.header("X-Request-Id").value_or("");
  const std::regex uuid7("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  EXPECT_TRUE(std::regex_match(id, uuid7)) << id;
  EXPECT_EQ(only_exchange().at("request_id"), id);
}

TEST_F(Headers, AreSetAndRemovedAsTheRouteSays) {
  upstream.on("/jobs/7",
              respond(200, "ok", {{"Server", "old"}, {"X-Debug", "1"}, {"X-Kind", "a"}, {"X-Kind", "b"}}));
  Yaml yaml;
  yaml.match = R"(path: "/jobs/{id}")";
  yaml.route =
      R"(request: {set_header: {X-Job: "{path.id}/{request.id}", X-Client: "{client.ip}"}, remove_header: [Cookie]},
    response: {set_header: {X-Kind: new, X-Request-Id: "{request.id}"}, remove_header: [Server, x-debug]})";
  start(yaml);
  const Response response = connect().exchange(get("/jobs/7", {{"Cookie", "a=b"}, {"x-client", "forged"}}));
  const Message request = upstream.requests().front().message;
  const std::string id = request.header("X-Request-Id").value_or("");
  EXPECT_EQ(request.header("X-Job"), "7/" + id);
  EXPECT_EQ(request.header("X-Client"), "127.0.0.1");
  EXPECT_FALSE(request.has("Cookie"));
  EXPECT_EQ(response.header("X-Kind"), "new");
  EXPECT_EQ(response.header("X-Request-Id"), id);
  EXPECT_FALSE(response.has("Server"));
  EXPECT_FALSE(response.has("X-Debug"));
}

TEST_F(Headers, GiveTheServersOwnHostWhereTheUpstreamSaysSo) {
  Yaml yaml;
  yaml.upstream = "host: server";
  const Message request = forwarded(get("/work"), yaml);
  EXPECT_EQ(request.header("Host"), upstream.authority());
  EXPECT_EQ(request.header("X-Forwarded-Host"), "test.example");
}

TEST_F(Headers, GiveALiteralHostWhereTheUpstreamSaysSo) {
  Yaml yaml;
  yaml.upstream = "host: backend.internal";
  EXPECT_EQ(forwarded(get("/work"), yaml).header("Host"), "backend.internal");
}

TEST_F(Headers, TakeTheHostOfAnAbsoluteTarget) {
  const Message request = forwarded("GET http://real.example/work?a HTTP/1.1\r\nHost: real.example\r\n\r\n");
  EXPECT_EQ(request.target, "/work?a");
  EXPECT_EQ(request.header("Host"), "real.example");
}

TEST_F(Headers, OfAResponseAreNotInvented) {
  start();
  const Response response = connect().exchange(get("/work"));
  EXPECT_FALSE(response.has("Content-Type"));
  EXPECT_FALSE(response.has("Transfer-Encoding"));
  EXPECT_EQ(response.header("Content-Length"), "2");
}

}  // namespace
}  // namespace hangup::test
