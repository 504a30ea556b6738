// The admin listener, and what it says while the outbox's file fails: nothing else is disturbed.
#include "e2e/fixture.h"

#include <sys/resource.h>

#include <filesystem>
#include <string>

namespace hangup::test {
namespace {

class AdminPages : public EndToEnd {
 protected:
  AdminPages() {
    upstream.on("/quick", respond(200, "quick"));
    upstream.on("/work", never_answer());
  }

  void start_with(const std::string& more = {}) {
    hangup = std::make_unique<Hangup>(configuration() + "admin: {address: \"127.0.0.1:0\"}\n" + more);
  }
  Response page(const std::string& path, std::string_view method = "GET") const {
    const std::string log = hangup->log();
    const std::string key = "admin listens at=";
    const std::size_t at = log.find(key) + key.size();
    return Client(address(log.substr(at, log.find('\n', at) - at))).exchange(request(method, path), method);
  }
  bool is_ready() const { return page("/ready").status == 200; }
  void leave(std::size_t nth) {
    Client client = connect();
    client.send(get("/work"));
    const RequestRecord request = upstream.wait_for_request("/work", nth);
    client.close();
    upstream.wait_for_close(request);
  }
  Json stats() const {
    const Finished finished =
        run({binary(), "outbox", "stats", "-c", hangup->configuration_file().string(), "--json"});
    return Json::parse(finished.out).at("states");
  }
  // While the file fails: cleanups are called from memory, requests are answered, and it shows.
  void expect_only_trouble(std::size_t calls_before) {
    leave(1);
    leave(2);
    receiver.wait_for_calls(calls_before + 2);
    EXPECT_EQ(connect().exchange(get("/quick")).body, "quick");
    eventually("the readiness page to be red", [&] { return !is_ready(); });
    const Json ready = Json::parse(page("/ready").body);
    EXPECT_EQ(ready.at("status"), "not ready");
    EXPECT_TRUE(ready.at("reasons").at(0).get<std::string>().starts_with("outbox: ")) << ready;
    EXPECT_TRUE(Json::parse(page("/outbox").body).at("trouble").is_string());
    EXPECT_TRUE(hangup->log().contains(" error ")) << hangup->log();
  }
  // Afterwards: it is as ever.
  void expect_recovery() {
    eventually("the readiness page to be green", [&] { return is_ready(); });
    leave(3);
    receiver.wait_for_calls(3);
    eventually("a delivery in the file", [&] { return stats().at("delivered") >= 1; });
    EXPECT_TRUE(Json::parse(page("/outbox").body).at("trouble").is_null());
  }
};

TEST_F(AdminPages, AnswerInJson) {
  start_with();
  EXPECT_EQ(page("/live").status, 200);
  EXPECT_EQ(Json::parse(page("/live").body), (Json{{"status", "live"}}));
  EXPECT_EQ(Json::parse(page("/ready?verbose").body),
            (Json{{"status", "ready"}, {"reasons", Json::array()}}));
  leave(1);
  receiver.wait_for_call();
  eventually("a delivery that is counted",
             [&] { return Json::parse(page("/outbox").body).at("delivered") == 1; });
  const Response missing = page("/nothing");
  EXPECT_EQ(missing.status, 404);
  EXPECT_TRUE(Json::parse(missing.body).at("pages").is_array());
  EXPECT_GE(page("/live", "DELETE").status, 400);
  // Clients don't reach them.
  EXPECT_EQ(connect().exchange(get("/live")).body, "ok");
}

TEST_F(AdminPages, AreRedWhileHangupDrains) {
  start_with();
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  hangup->signal(SIGTERM);
  eventually("the readiness page to be red", [&] { return page("/ready").status == 503; });
  EXPECT_EQ(Json::parse(page("/ready").body).at("reasons"), Json::array({"draining"}));
  EXPECT_EQ(page("/live").status, 200);
  upstream.send(request, response(200, "done"));
  EXPECT_EQ(client.read_response().body, "done");
  hangup->wait_for_exit();
}

TEST_F(AdminPages, AFullDiskStopsNothingAndShows) {
  start_with();
  EXPECT_TRUE(is_ready());
  // From here on no file can grow beyond this, as on a disk that is full.
  rlimit before{};
  const rlimit full{16 * 1024, RLIM_INFINITY};
  ASSERT_EQ(::prlimit(hangup->pid(), RLIMIT_FSIZE, &full, &before), 0);
  expect_only_trouble(0);
  ASSERT_EQ(::prlimit(hangup->pid(), RLIMIT_FSIZE, &before, nullptr), 0);
  expect_recovery();
}

TEST_F(AdminPages, AFileThatCantBeMadeStopsNothingAndShows) {
  const TempDir dir;
  const auto missing = dir / "not";
  start_with("outbox: {path: \"" + (missing / "there" / "outbox.db").string() + "\"}\n");
  expect_only_trouble(0);
  std::filesystem::create_directories(missing / "there");
  expect_recovery();
}

TEST_F(AdminPages, ACorruptFileIsSetAside) {
  const TempDir dir;
  write_file(dir / "outbox.db", "SQLite format 3" + std::string(1, '\0') + noise(8000));
  start_with("outbox: {path: \"" + (dir / "outbox.db").string() + "\"}\n");
  leave(1);
  receiver.wait_for_call();
  EXPECT_TRUE(is_ready());
  int aside = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    aside += entry.path().filename().string().starts_with("outbox.db.corrupt-") ? 1 : 0;
  }
  EXPECT_EQ(aside, 1);
  eventually("a delivery in the new file", [&] { return stats().at("delivered") == 1; });
}

}  // namespace
}  // namespace hangup::test
