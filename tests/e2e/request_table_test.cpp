// What comes of each request of data/requests.txt: the answer, whether the connection goes on, and the exact
// bytes that the upstream receives.
#include "e2e/fixture.h"
#include "e2e/wire_table.h"

#include <fmt/format.h>

#include <map>

namespace hangup::test {
namespace {

struct Expected {
  int status = 0;  // 0: the connection closes without an answer
  bool keep = false;

  // "200 keep", "400 close", "nothing"
  explicit Expected(const std::string& text) {
    if (text == "nothing") return;
    keep = text.ends_with(" keep");
    if (!keep && !text.ends_with(" close")) throw std::runtime_error("expected STATUS keep or STATUS close");
    status = std::stoi(text);
  }
};

// What a strict reader makes of all that a client got.
std::vector<Message> read_responses(std::string_view bytes, std::string method) {
  std::vector<Message> responses;
  while (!bytes.empty()) {
    MessageReader reader = MessageReader::for_response(method);
    bytes.remove_prefix(reader.feed(bytes));
    reader.end_of_input();
    responses.push_back(*reader.message());
    if (responses.back().status >= 200) method = "GET";  // the marker's
  }
  return responses;
}

class RequestTable : public EndToEnd {
 protected:
  void SetUp() override {
    upstream.otherwise([](const RequestRecord& request) {
      if (request.message.method == "HEAD")
        return Script().send(response_head(200, {{"Content-Length", "2"}}));
      if (request.message.path() == "/hesitant")
        return Script().send("HTTP/1.1 100 Continue\r\n\r\n").after_body().send(response(200, "ok"));
      if (request.message.path() == "/unwilling")
        return Script().send(response(417, "no", {{"Connection", "close"}})).close();
      return respond(200, request.message.path() == "/marker" ? "marker" : "ok");
    });
    Yaml yaml;
    yaml.workers = 1;
    yaml.listener = "trace: off, limits: {header_bytes: 8KiB, headers: 20, body_bytes: 64KiB}";
    start(yaml);
  }

  // Sends the case, and returns all that came back.
  std::string converse(const WireCase& each) {
    Client client = connect();
    for (std::size_t i = 0; i < each.lines.size(); ++i) {
      const auto& [keyword, bytes] = each.lines[i];
      if (keyword == "await") {
        EXPECT_EQ(std::to_string(client.read_interim().status), bytes);
      } else if (keyword == "fin") {
        client.fin();
      } else if (keyword == "send") {
        pending_ += bytes;
        if (i + 1 < each.lines.size() && each.lines[i + 1].keyword == "send") continue;
        const bool final = !each.has("fin") && !each.has("alone") && !awaits_after(each, i);
        client.try_send(std::exchange(pending_, {}).append(final ? marker : ""));
      } else if (keyword != "alone" && keyword != "gets" && keyword != "most" && keyword != "then") {
        throw std::runtime_error("no such keyword: " + keyword);
      }
    }
    return client.read_to_close();
  }

  static bool awaits_after(const WireCase& each, std::size_t i) {
    return i + 1 < each.lines.size() && each.lines[i + 1].keyword == "await";
  }

  // What the upstream has got since it was last asked. A request of another client's comes behind all that
  // hangup may have begun to send.
  std::string news() {
    const std::string end = "GET /end HTTP/1.1\r\nHost: end\r\n" + forwarding_fields("end") + "\r\n";
    EXPECT_EQ(connect().exchange("GET /end HTTP/1.1\r\nHost: end\r\n\r\n").status, 200);
    ++statuses_[200];
    std::string bytes;
    for (const ConnectionRecord& record : upstream.connections()) {
      std::size_t& seen = seen_[record.index];
      bytes += record.raw.substr(seen);
      seen = record.raw.size();
    }
    bytes = without_what_varies(bytes);
    EXPECT_TRUE(bytes.ends_with(end)) << escaped(bytes);
    return bytes.substr(0, bytes.size() - end.size());
  }

  void check(const WireCase& each) {
    const Expected expected(each.all("then"));
    const std::string got = converse(each);
    const std::string forwarded = news();
    check_answers(each, expected, got);
    if (each.has("most")) {
      const std::string most = expand_via(each.all("most"));
      EXPECT_TRUE(most.starts_with(forwarded)) << "expected the start of\n"
                                               << escaped(most) << "\nfound\n"
                                               << escaped(forwarded);
      return;
    }
    std::string wanted = expand_via(each.all("gets"));
    if (expected.keep)
      wanted += "GET /marker HTTP/1.1\r\nHost: marker\r\n" + forwarding_fields("marker") + "\r\n";
    const std::size_t server = wanted.find("{server}");
    if (server != std::string::npos) wanted.replace(server, 8, upstream.authority());
    EXPECT_EQ(escaped(forwarded), escaped(wanted));
  }

  void check_answers(const WireCase& each, const Expected& expected, const std::string& got) {
    // What is refused may not have been understood to be a HEAD.
    const bool head = expected.status == 200 && each.all("send").starts_with("HEAD ");
    std::string statuses;
    for (const Message& message : read_responses(got, head ? "HEAD" : "GET")) {
      if (message.status >= 200) statuses += std::to_string(message.status) + ' ';
      EXPECT_TRUE(message.complete) << escaped(got);
    }
    std::string wanted = expected.status == 0 ? "" : std::to_string(expected.status) + ' ';
    if (expected.keep) wanted += "200 ";
    EXPECT_EQ(statuses, wanted) << escaped(got);
    EXPECT_EQ(got.ends_with("\r\n\r\nmarker"), expected.keep) << escaped(got);
    ++statuses_[expected.status == 0 ? 499 : expected.status];
    if (expected.keep) ++statuses_[200];
  }

  std::string pending_;
  std::map<std::size_t, std::size_t> seen_;  // bytes, by connection
  std::map<int, int> statuses_;
};

TEST_F(RequestTable, HoldsForEveryRequest) {
  const auto cases = read_wire_table("requests.txt");
  ASSERT_GE(cases.size(), 300U);
  for (const WireCase& each : cases) {
    SCOPED_TRACE(each.where());
    try {
      check(each);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  drain();
  // One line in the log for each answer, and none of a request that was neither forwarded nor refused.
  std::map<int, int> logged;
  for (const Json& line : hangup->access_log("exchange")) {
    const int status = line.at("status").get<int>();
    const bool by_upstream = status == 200 || (status == 417 && !line.at("upstream").is_null());
    const char* outcome = status == 499 ? "client_gone" : by_upstream ? "completed" : "rejected";
    EXPECT_EQ(line.at("outcome"), outcome) << line;
    ++logged[status];
  }
  EXPECT_EQ(logged, statuses_);
}

}  // namespace
}  // namespace hangup::test
