// Logs that are rotated, and traces that go through.
#include "e2e/fixture.h"

#include <csignal>
#include <filesystem>
#include <set>

namespace hangup::test {
namespace {

class Logs : public EndToEnd {
 protected:
  std::filesystem::path file(const std::string& name) const {
    return hangup->configuration_file().parent_path() / name;
  }
  void exchange_many(Client& client, int count) {
    for (int i = 0; i < count; ++i) EXPECT_EQ(client.exchange(get("/work")).status, 200);
  }
};

TEST_F(Logs, ThatWereRenamedGoOnInANewFileWithNoLineLostOrDoubled) {
  start();
  Client client = connect();
  constexpr int rotations = 5;
  constexpr int each = 200;
  for (int i = 0; i < rotations; ++i) {
    exchange_many(client, each / 2);
    std::filesystem::rename(file("access.log"), file("access.log." + std::to_string(i)));
    exchange_many(client, each / 2);
    hangup->signal(SIGUSR1);
    eventually("a new file", [&] { return std::filesystem::exists(file("access.log")); });
  }
  exchange_many(client, 1);
  hangup->stop();
  std::set<std::string> ids;
  std::size_t lines = 0;
  for (int i = 0; i <= rotations; ++i) {
    LineTail log(file(i == rotations ? "access.log" : "access.log." + std::to_string(i)));
    for (const std::string& line : log.lines()) {
      ids.insert(Json::parse(line).at("request_id"));
      ++lines;
    }
  }
  EXPECT_EQ(lines, rotations * each + 1U);
  EXPECT_EQ(ids.size(), lines);
  EXPECT_NE(hangup->log().find("reopened access_log path="), std::string::npos);
}

TEST_F(Logs, ThatCannotBeReopenedGoOnInTheOldFile) {
  start();
  Client client = connect();
  exchange_many(client, 1);
  std::filesystem::rename(file("access.log"), file("kept"));
  std::filesystem::create_directory(file("access.log"));
  hangup->signal(SIGUSR1);
  eventually("the error", [&] {
    return hangup->log().find("cannot reopen access_log; what it wrote to before stays") != std::string::npos;
  });
  exchange_many(client, 1);
  LineTail kept(file("kept"));
  eventually("both lines", [&] { return kept.lines().size() == 2; });
  std::filesystem::remove(file("access.log"));
  std::filesystem::rename(file("kept"), file("access.log"));
}

TEST_F(Logs, NameTheTraceThatServersAndCleanupsAreTold) {
  upstream.on("/work", never_answer());
  start();
  Client client = connect();
  client.send(get("/work", {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
                            {"tracestate", "a=b"}}));
  const RequestRecord request = upstream.wait_for_request("/work");
  client.close();
  const Json exchange = only_exchange();
  EXPECT_EQ(exchange.at("trace_id"), "0af7651916cd43dd8448eb211c80319c");
  const std::string parent(request.message.header("traceparent").value_or(""));
  EXPECT_EQ(parent.substr(0, 36), "00-0af7651916cd43dd8448eb211c80319c-");
  EXPECT_NE(parent.substr(36, 16), "b7ad6b7169203331");
  EXPECT_EQ(request.message.header("tracestate").value_or(""), "a=b");
  EXPECT_EQ(only_call(exchange).message.header("traceparent").value_or(""), parent);
}

}  // namespace
}  // namespace hangup::test
