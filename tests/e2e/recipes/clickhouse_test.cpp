// ClickHouse, the real one.
#include "e2e/recipes/recipe.h"
#include "e2e/recipes/server.h"

#include <gtest/gtest.h>

#include <csignal>

namespace hangup::test {
namespace {

class ClickHouse : public ::testing::Test {
 protected:
  ClickHouse() {
    server_.wait_until_ready(where_, "/ping");
    recipe.set("CLICKHOUSE", "http://" + where_.to_string());
    recipe.set("CLICKHOUSE_KILL_USER", "killer").set("CLICKHOUSE_KILL_KEY", "secret");
  }

  // Columns of the endless query as the server shows them; "" when there is none.
  std::string running(const std::string& columns) const {
    const Message answer = ask(
        where_, post("/", "SELECT " + columns + " FROM system.processes WHERE query LIKE 'SELECT count%'"));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.body;
  }
  std::uint64_t rows_read() const { return std::stoull('0' + running("read_rows")); }

  // A client with a query that never ends, seen by the server to run.
  std::unique_ptr<Curl> ask_without_end(const Hangup& hangup) const {
    auto client = std::make_unique<Curl>(std::vector<std::string>{
        hangup.url("/?query_id=the-clients-own"), "-d", "SELECT count() FROM system.numbers"});
    eventually("the query in system.processes", [&] { return rows_read() > 0; });
    return client;
  }

  std::vector<std::string> command() const {
    const std::filesystem::path configuration = dir_ / "config.xml";
    write_file(configuration, filled_in(std::filesystem::path(BACKENDS) / "clickhouse.xml",
                                        {{"HOST", where_.host()},
                                         {"PORT", std::to_string(where_.port())},
                                         {"DIR", dir_.path().string()}}));
    return {"/usr/sbin/clickhouse-server", "--config-file=" + configuration.string()};
  }

  TempDir dir_;
  SocketAddress where_ = address(own_host() + ":18123");
  Server server_{command(), "clickhouse-server"};
  Recipe recipe{"clickhouse"};
};

TEST_F(ClickHouse, KillsTheQueryOfAClientThatHasLeft) {
  Hangup& hangup = recipe.start();
  const auto client = ask_without_end(hangup);
  const std::string query_id = running("query_id");
  client->leave();
  eventually("the query's end", [&] { return running("query_id").empty(); });
  const Json exchange = wait_for_departure(hangup);
  EXPECT_EQ(query_id, exchange.at("request_id").get<std::string>() + "\n");
  EXPECT_EQ(wait_for_delivery(hangup, exchange).at("status"), 200);
}

TEST_F(ClickHouse, KillsTheQueryThatAHangupLeftBehindWhenItWasKilled) {
  Hangup& killed = recipe.start();
  const auto client = ask_without_end(killed);
  killed.signal(SIGKILL);
  killed.wait_for_exit();
  const std::uint64_t before = rows_read();
  eventually("more rows read, for nobody", [&] { return rows_read() > before + 10'000'000; });
  Hangup& next = recipe.start();
  eventually("the query's end", [&] { return running("query_id").empty(); });
  next.wait_for_log("the exchange that was cut", [](const Json& line) {
    return line.at("type") == "exchange" && line.at("outcome") == "crashed";
  });
}

TEST_F(ClickHouse, GoesOnWithTheQueryWhenNobodyTellsIt) {
  Hangup& hangup = recipe.without_cleanups().start();
  const auto client = ask_without_end(hangup);
  client->leave();
  wait_for_departure(hangup);
  const std::uint64_t before = rows_read();
  eventually("more rows read by a query that nobody waits for",
             [&] { return rows_read() > before + 10'000'000; });
}

}  // namespace
}  // namespace hangup::test
