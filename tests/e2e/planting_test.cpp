// What is planted in forwarded requests, and what cleanups know of JSON bodies.
#include "e2e/fixture.h"

#include <fmt/format.h>

#include <random>

namespace hangup::test {
namespace {

class Planting : public EndToEnd {
 protected:
  void plant(const std::string& members) {
    Yaml yaml;
    yaml.route = "request: {" + members + "}";
    start(yaml);
  }
  static std::string post_json(std::string_view target, std::size_t length) {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", target,
        length);
  }
};

TEST_F(Planting, SetsNestedFieldsInABodyThatComesInPieces) {
  plant("set_json: {rid: \"{request.header.x-job}\", metadata.job: \"job-{request.header.x-job}\"}");
  const std::string filler(64 * 1024, 'x');
  const std::string body = R"({"text":")" + filler + R"(","big":123456789012345678901234567890})";
  const std::string expected = body.substr(0, body.size() - 1) + R"(,"rid":"7","metadata":{"job":"job-7"}})";
  std::mt19937 random(7);
  Client client = connect();
  for (int round = 0; round < 5; ++round) {
    client.send("POST /work HTTP/1.1\r\nHost: a\r\nX-Job: 7\r\nContent-Type: application/json\r\n");
    client.send(fmt::format("Content-Length: {}\r\n\r\n", body.size()));
    for (std::size_t at = 0; at < body.size();) {
      const std::size_t size = 1 + random() % 20'000;
      client.send(body.substr(at, size));
      at += size;
    }
    EXPECT_EQ(client.read_response("POST").body, "ok");
    const Message got = upstream.requests().back().message;
    EXPECT_EQ(got.header("Content-Length"), std::to_string(expected.size()));
    EXPECT_EQ(got.digest.value(), Digest().add(expected).value());
  }
}

TEST_F(Planting, LeavesAloneWhatIsNoJsonAndSaysSo) {
  plant("set_json: {rid: \"{request.id}\"}");
  Client client = connect();
  EXPECT_EQ(client.exchange(post_json("/work", 5) + "hello", "POST").body, "ok");
  EXPECT_EQ(upstream.requests().back().message.body, "hello");
  const Json exchange = only_exchange();
  EXPECT_TRUE(hangup->log().contains("request_id=" + exchange.at("request_id").get<std::string>()))
      << hangup->log();
  EXPECT_TRUE(hangup->log().contains("it is not JSON: a value is missing at byte 0")) << hangup->log();
}

TEST_F(Planting, SetsAParameterOfTheQuery) {
  plant("set_query: {job: \"{request.header.x-job}\"}");
  EXPECT_EQ(connect().exchange("GET /work?a=%41&job=1&b HTTP/1.1\r\nHost: a\r\nX-Job: 7&x=1 #\r\n\r\n").body,
            "ok");
  EXPECT_EQ(upstream.requests().back().message.target, "/work?a=%41&b&job=7%26x%3D1%20%23");
}

TEST_F(Planting, LetsACleanupNameAFieldOfAResponseThatIsSplitAnywhere) {
  const std::string body = R"({"object":"job","id":"j\u00e4/7","rest":)";
  Yaml yaml;
  yaml.cleanup_url = receiver.url("/jobs/{response.json.id}");
  const std::size_t whole = body.find(",\"rest");
  start(yaml);
  std::size_t calls = 0;
  for (std::size_t cut = 1; cut < whole; cut += 5) {
    const std::string path = fmt::format("/work/{}", cut);
    upstream.on(path, never_answer());
    Client client = connect();
    client.send(get(path));
    const RequestRecord request = upstream.wait_for_request(path);
    upstream.send(request,
                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n" +
                      body.substr(0, cut));
    client.read_head();
    client.read_body(cut);
    upstream.send(request, body.substr(cut));
    client.read_body(body.size());
    client.reset();
    EXPECT_EQ(receiver.wait_for_calls(++calls).back().message.target, "/jobs/j%C3%A4%2F7");
  }
}

TEST_F(Planting, LetsACleanupNameAFieldOfTheFirstEvent) {
  upstream.on("/work", never_answer());
  Yaml yaml;
  yaml.cleanup_url = receiver.url("/abort/{response.json.id}");
  start(yaml);
  Client client = connect();
  client.send(get("/work"));
  const std::string events =
      ": hello\r\n\r\nevent: x\r\ndata: {\"id\":\r\ndata: \"c-1\"}\r\n\r\ndata: {\"id\":2}\r\n\r\n";
  upstream.send(upstream.wait_for_request("/work"), response_head(200, {{"Content-Type", "text/event-stream"},
                                                                        {"Transfer-Encoding", "chunked"}}) +
                                                        chunk(events));
  client.read_head();
  EXPECT_EQ(client.read_body(events.size()).body, events);
  client.reset();
  EXPECT_EQ(receiver.wait_for_call().message.target, "/abort/c-1");
}

}  // namespace
}  // namespace hangup::test
