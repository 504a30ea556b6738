// What hangup answers by itself, and how.
#include "e2e/fixture.h"

#include <fmt/format.h>

namespace hangup::test {
namespace {

class Rejection : public EndToEnd {
 protected:
  // Sends one request, and expects hangup's own answer with that status, logged as rejected, and nothing
  // upstream.
  Response expect_rejected(const std::string& request, int status, std::string_view method = "GET") {
    Client client = connect();
    client.try_send(request);
    Response response = client.read_response(method);
    EXPECT_EQ(response.status, status);
    EXPECT_TRUE(response.complete);
    const Json exchange = only_exchange();
    EXPECT_EQ(exchange.at("outcome"), "rejected") << exchange;
    EXPECT_EQ(exchange.at("status"), status);
    if (method != "HEAD") {
      EXPECT_NE(response.body.find(std::to_string(status)), std::string::npos) << response.body;
      EXPECT_NE(response.body.find(exchange.at("request_id").get<std::string>()), std::string::npos)
          << response.body;
    }
    expect_no_call(exchange);
    return response;
  }
};

TEST_F(Rejection, OfAPathWithoutRouteIsNotFound) {
  Yaml yaml;
  yaml.match = "path: /only-this";
  start(yaml);
  const Response response = expect_rejected(get("/other?a=b"), 404);
  EXPECT_TRUE(response.header("Content-Type").value_or("").starts_with("text/plain"));
  EXPECT_EQ(upstream.request_count(), 0U);
}

TEST_F(Rejection, OfAHostWithoutRouteIsNotFound) {
  Yaml yaml;
  yaml.match = R"(host: other.example, path: "/*")";
  start(yaml);
  expect_rejected(get("/"), 404);
}

TEST_F(Rejection, IsJsonForWhoAcceptsJson) {
  Yaml yaml;
  yaml.match = "path: /only-this";
  start(yaml);
  const Response response = expect_rejected(get("/other", {{"Accept", "application/json"}}), 404);
  EXPECT_TRUE(response.header("Content-Type").value_or("").starts_with("application/json"));
  EXPECT_FALSE(Json::parse(response.body, nullptr, false).is_discarded()) << response.body;
}

TEST_F(Rejection, OfHeadHasNoBody) {
  Yaml yaml;
  yaml.match = "path: /only-this";
  start(yaml);
  Client client = connect();
  client.send(request("HEAD", "/other"));
  EXPECT_EQ(client.read_response("HEAD").status, 404);
  // The next response starts right behind the head.
  EXPECT_EQ(client.exchange(get("/only-this")).body, "ok");
}

TEST_F(Rejection, OfAMethodSaysWhichAreAllowed) {
  Yaml yaml;
  yaml.match = R"(path: "/*", methods: [POST, PUT])";
  start(yaml);
  const Response response = expect_rejected(get("/work"), 405);
  const std::string allow = response.header("Allow").value_or("");
  EXPECT_NE(allow.find("POST"), std::string::npos) << allow;
  EXPECT_NE(allow.find("PUT"), std::string::npos) << allow;
  EXPECT_EQ(upstream.request_count(), 0U);
}

TEST_F(Rejection, LeavesTheConnectionUsable) {
  Yaml yaml;
  yaml.match = "path: /only-this";
  start(yaml);
  Client client = connect();
  EXPECT_EQ(client.exchange(get("/other")).status, 404);
  EXPECT_EQ(client.exchange(get("/only-this")).body, "ok");
}

// What is not read of the request would be taken for the next one.
TEST_F(Rejection, OfARequestWhoseBodyIsNotReadSaysThatTheConnectionEnds) {
  Yaml yaml;
  yaml.match = "path: /only-this";
  start(yaml);
  for (const std::string& body : {std::string("body"), std::string(100'000, 'x')}) {
    Client client = connect();
    client.try_send(post("/other", body));
    const Response response = client.read_response("POST");
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.header("Connection"), "close");
    client.wait_for_close();
  }
  Client client = connect();
  EXPECT_EQ(client.exchange(post("/other", ""), "POST").header("Connection"), std::nullopt);
  EXPECT_EQ(client.exchange(get("/only-this")).body, "ok");
}

TEST_F(Rejection, OfABodyAnnouncedTooLargeComesBeforeIt) {
  Yaml yaml;
  yaml.listener = "limits: {body_bytes: 1KiB}";
  start(yaml);
  expect_rejected("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n", 413);
}

// The refusal stands in the place of the 100 that the client waits for, and no server is troubled.
TEST_F(Rejection, OfABodyAnnouncedTooLargeDoesNotAskForIt) {
  Yaml yaml;
  yaml.listener = "limits: {body_bytes: 1KiB}";
  start(yaml);
  const Response response = expect_rejected(
      "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\nExpect: 100-continue\r\n\r\n", 413);
  EXPECT_TRUE(response.interim.empty());
  EXPECT_EQ(upstream.connections().size(), 0U);
}

TEST_F(Rejection, OfABodyTooLargeReachesAClientThatGoesOnSending) {
  Yaml yaml;
  yaml.listener = "limits: {body_bytes: 1KiB}";
  start(yaml);
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
  client.try_send(std::string(1 << 20, 'x'));
  EXPECT_EQ(client.read_response("POST").status, 413);
  EXPECT_EQ(upstream.connections().size(), 0U);
}

TEST_F(Rejection, OfAChunkedBodyTooLargeAlsoIfItCameAtOnce) {
  Yaml yaml;
  yaml.listener = "limits: {body_bytes: 1KiB}";
  start(yaml);
  Client client = connect();
  client.try_send("POST /work HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                  chunk(std::string(1025, 'x')) + std::string(last_chunk));
  EXPECT_EQ(client.read_response("POST").status, 413);
  drain();
  for (const RequestRecord& request : upstream.requests()) EXPECT_FALSE(request.message.complete);
}

TEST_F(Rejection, OfABodyThatGrowsTooLargeAbortsTheUpstream) {
  Yaml yaml;
  yaml.listener = "limits: {body_bytes: 1KiB}";
  start(yaml);
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
              chunk(std::string(1000, 'x')));
  const RequestRecord request = upstream.wait_for_body("/work", 1000);
  client.try_send(chunk(std::string(1000, 'x')));
  const Response response = client.read_response("POST");
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.header("Connection"), "close");
  upstream.wait_for_close(request);
  const Json exchange = only_exchange();
  expect_end(exchange, "rejected", "sending_request", 413);
  EXPECT_FALSE(upstream.requests().front().message.complete);
}

TEST_F(Rejection, OfABodyOfExactlyTheLimitIsNone) {
  Yaml yaml;
  yaml.listener = "limits: {body_bytes: 1KiB}";
  start(yaml);
  EXPECT_EQ(connect().exchange(post("/work", std::string(1024, 'x')), "POST").status, 200);
}

TEST_F(Rejection, OfTooManyFields) {
  Yaml yaml;
  yaml.listener = "limits: {headers: 10}";
  start(yaml);
  FieldList fields;
  for (int i = 0; i < 10; ++i) fields.push_back({fmt::format("X-{}", i), "a"});
  expect_rejected(get("/work", fields), 431);
}

TEST_F(Rejection, OfAHeadTooLarge) {
  Yaml yaml;
  yaml.listener = "limits: {header_bytes: 4KiB}";
  start(yaml);
  expect_rejected(get("/work", {{"X-Large", std::string(8 * 1024, 'a')}}), 431);
}

TEST_F(Rejection, OfATargetTooLong) {
  start();
  expect_rejected(get("/" + std::string(20 * 1024, 'a')), 414);
}

struct Ambiguous {
  const char* name;
  std::string request;
};

class MalformedRequest : public Rejection, public ::testing::WithParamInterface<Ambiguous> {};

TEST_P(MalformedRequest, IsRefusedAndTheConnectionClosed) {
  start();
  Client client = connect();
  client.send(GetParam().request);
  const Response response = client.read_response();
  EXPECT_EQ(response.status / 100, 4) << response.status;
  client.wait_for_close();
  const Json exchange = only_exchange();
  EXPECT_EQ(exchange.at("outcome"), "rejected");
  EXPECT_EQ(exchange.at("status"), response.status);
  EXPECT_EQ(upstream.request_count(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Rejection, MalformedRequest,
    ::testing::Values(
        Ambiguous{"NoHttp", "hello\r\n\r\n"}, Ambiguous{"NoHost", "GET / HTTP/1.1\r\n\r\n"},
        Ambiguous{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        Ambiguous{"LengthAndChunked",
                  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked"
                  "\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"},
        Ambiguous{"TwoLengths",
                  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"},
        Ambiguous{"ListOfLengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 5\r\n\r\nabcde"},
        Ambiguous{"SignedLength", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd"},
        Ambiguous{"ChunkedNotLast",
                  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
        Ambiguous{"ChunkedOfHttp10",
                  "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Ambiguous{"FoldedField", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n"},
        Ambiguous{"BlankBeforeColon", "GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n"},
        Ambiguous{"BareCarriageReturn", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n"},
        Ambiguous{"NulInAField", std::string("GET / HTTP/1.1\r\nHost: a\r\nX-A: b") + '\0' + "c\r\n\r\n"},
        Ambiguous{"ControlInTheTarget", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"}),
    [](const auto& test) { return test.param.name; });

TEST_F(Rejection, OfABrokenChunkAbortsTheUpstream) {
  start();
  Client client = connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("good"));
  const RequestRecord request = upstream.wait_for_body("/work", 4);
  client.send("zz\r\n");
  EXPECT_EQ(client.read_response("POST").status, 400);
  upstream.wait_for_close(request);
  client.wait_for_close();
  expect_end(only_exchange(), "rejected", "sending_request", 400);
}

}  // namespace
}  // namespace hangup::test
