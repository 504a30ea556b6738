// What comes of each response of data/responses.txt: the exact bytes that the client receives, the outcome in
// the log, and which connections serve another request.
#include "e2e/fixture.h"
#include "e2e/wire_table.h"

#include <fmt/format.h>

#include <sstream>

namespace hangup::test {
namespace {

constexpr std::string_view marker_answer =
    "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 6\r\nConnection: close\r\n\r\nmarker";

std::string bad_gateway(std::string_view message) {
  const std::string body = fmt::format("502 Bad Gateway\n{}\nrequest id: {{id}}\n", message);
  constexpr std::size_t id_bytes = 36 - std::string_view("{id}").size();
  return fmt::format(
      "HTTP/1.1 502 Bad Gateway\r\nDate: {{date}}\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "X-Request-Id: {{id}}\r\nContent-Length: {}\r\n\r\n{}",
      body.size() + id_bytes, body);
}

std::string expand_answers(std::string text) {
  const std::pair<std::string_view, std::string> answers[] = {
      {"{502}", bad_gateway("the upstream server's answer is not valid HTTP")},
      {"{reset}", bad_gateway("the upstream server closed the connection")},
  };
  for (const auto& [name, answer] : answers) {
    const std::size_t at = text.find(name);
    if (at != std::string::npos) text.replace(at, name.size(), answer);
  }
  return text;
}

class ResponseTable : public EndToEnd {
 protected:
  void SetUp() override {
    upstream.otherwise(respond(200, "marker"));
    Yaml yaml;
    yaml.workers = 1;
    start(yaml);
  }

  static Script script(const WireCase& each) {
    Script script;
    script.after_body().send(each.all("serve"));
    if (each.has("endless")) script.send_endlessly(each.all("endless"));
    if (each.has("fin")) script.close();
    if (each.has("reset")) script.reset();
    return script;
  }

  void check(const WireCase& each) {
    std::istringstream verdict(each.all("then"));
    std::string outcome, client_goes, upstream_goes;
    verdict >> outcome >> client_goes >> upstream_goes;

    upstream.on("/", script(each));
    const std::size_t before = upstream.request_count();
    Client client = connect();
    const std::string ask = each.has("ask") ? each.all("ask") : "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    client.try_send(ask + std::string(marker));
    const std::string got = without_what_varies(client.read_to_close());
    const bool keep = client_goes == "keep";
    std::string wanted = expand_answers(each.all("gets"));
    if (keep) wanted += marker_answer;
    EXPECT_EQ(escaped(got), escaped(wanted));

    // Asked by another client, who gets what the pool of connections has.
    EXPECT_EQ(connect().exchange(get("/marker")).body, "marker");
    const auto requests = upstream.requests();
    ASSERT_EQ(requests.size(), before + (keep ? 3 : 2));
    EXPECT_EQ(requests[before].connection == requests[before + 1].connection, upstream_goes == "reused")
        << "wanted: " << upstream_goes;
    wanted_.push_back({each.where(), outcome});
  }

  // In the order of the table.
  void check_log() {
    drain();
    auto exchanges = hangup->access_log("exchange");
    std::erase_if(exchanges, [](const Json& line) { return line.at("path") != "/"; });
    ASSERT_EQ(exchanges.size(), wanted_.size());
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      SCOPED_TRACE(wanted_[i].first);
      EXPECT_EQ(exchanges[i].at("outcome"), wanted_[i].second) << exchanges[i];
      EXPECT_EQ(exchanges[i].contains("error"), wanted_[i].second != "completed") << exchanges[i];
    }
  }

  std::vector<std::pair<std::string, std::string>> wanted_;  // the outcome of each case
};

TEST_F(ResponseTable, HoldsForEveryResponse) {
  const auto cases = read_wire_table("responses.txt");
  ASSERT_GE(cases.size(), 100U);
  for (const WireCase& each : cases) {
    SCOPED_TRACE(each.where());
    try {
      check(each);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  check_log();
}

}  // namespace
}  // namespace hangup::test
