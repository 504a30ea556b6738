// The admin pages but /metrics, and what they say while the outbox's file fails: nothing else is disturbed.
#include "e2e/admin_fixture.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

namespace hangup::test {
namespace {

class AdminPages : public AdminTest {
 protected:
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
    eventually("an error in the log", [&] { return hangup->log().contains(" error "); });
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
  // Clients don't reach them.
  EXPECT_EQ(connect().exchange(get("/live")).body, "ok");
}

TEST_F(AdminPages, TakeTheirMethodsOnlyAndAreNotKept) {
  start_with();
  const Response refused = page("/live", "DELETE");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.header("Allow"), "GET, HEAD");
  EXPECT_EQ(page("/drain").status, 405);
  EXPECT_EQ(page("/drain").header("Allow"), "POST");
  EXPECT_EQ(page("/log-level", "POST", "{}").header("Allow"), "GET, HEAD, PUT");
  const Response head = page("/live", "HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(page("/live").header("Cache-Control"), "no-store");
  EXPECT_EQ(page("/nothing").header("Cache-Control"), "no-store");
}

TEST_F(AdminPages, ListWhatIsInFlightTheOldestFirst) {
  start_with({}, {.workers = 1});  // each worker computes ages at its own time
  EXPECT_EQ(json("/exchanges"),
            (Json{{"in_flight", 0}, {"exchanges", Json::array()}, {"workers_without_answer", 0}}));
  Client first = connect();
  first.send(get("/work?secret=1"));
  const RequestRecord request = upstream.wait_for_request("/work");
  Client second = connect();
  second.send("POST /upload HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\n12");
  upstream.wait_for_request("/upload");
  Json both;
  eventually("both to be where they wait", [&] {
    both = json("/exchanges");
    return both.at("exchanges").size() == 2 && both.at("exchanges").at(0).at("phase") == "awaiting_response";
  });
  EXPECT_EQ(both.at("in_flight"), 2);
  const Json& one = both.at("exchanges").at(0);
  EXPECT_EQ(one.at("request_id"), request.message.header("X-Request-Id"));
  EXPECT_EQ(one.at("route"), "all");
  EXPECT_EQ(one.at("client"), first.local().to_string());
  EXPECT_EQ(one.at("method"), "GET");
  EXPECT_EQ(one.at("path"), "/work");
  EXPECT_EQ(one.at("upstream"), upstream.url());
  EXPECT_EQ(one.at("client_gone"), false);
  EXPECT_GT(one.at("age_seconds"), both.at("exchanges").at(1).at("age_seconds"));
  EXPECT_EQ(both.at("exchanges").at(1).at("phase"), "sending_request");
  const Json limited = json("/exchanges?limit=1");
  EXPECT_EQ(limited.at("in_flight"), 2);
  ASSERT_EQ(limited.at("exchanges").size(), 1U);
  EXPECT_EQ(limited.at("exchanges").at(0).at("request_id"), one.at("request_id"));
  EXPECT_EQ(page("/exchanges?limit=many").status, 400);
  EXPECT_EQ(page("/exchanges?limit=1001").status, 400);
}

// Its work goes on.
TEST_F(AdminPages, SayWhoseClientHasGone) {
  start_with({}, {.on_disconnect = "upstream: finish"});
  const RequestRecord request = leave_work_behind();
  upstream.send(request, response(200, "done"));
  eventually("it to end", [&] { return json("/exchanges").at("in_flight") == 0; });
}

TEST_F(AdminPages, ShowTheConfigurationWithoutItsSecrets) {
  start_with({}, {.cleanup = "headers: {Authorization: \"Bearer s3cret\"}"});
  const Response shown = page("/config");
  EXPECT_EQ(shown.status, 200);
  EXPECT_FALSE(shown.body.contains("s3cret")) << shown.body;
  const Json config = Json::parse(shown.body);
  EXPECT_EQ(config.at("cleanups").at("stop").at("headers").at("Authorization"), "(not shown)");
  EXPECT_EQ(config.at("listeners").at(0).at("timeouts").at("idle"), "75s");
  EXPECT_EQ(config.at("upstreams").at("app").at("servers").at(0).at("url"), upstream.url());
  EXPECT_EQ(config.at("file"), hangup->configuration_file().string());
}

TEST_F(AdminPages, RetryAndDropDeadLetters) {
  receiver.server().on("/stop", respond(400));
  start_with();
  leave(1);
  leave(2);
  Json outbox;
  // The file is committed, and the last pending one put away, in either order.
  eventually("two dead letters", [&] {
    outbox = json("/outbox");
    return outbox.at("file").at("states").at("dead") == 2 && outbox.at("oldest_pending_seconds").is_null();
  });
  EXPECT_EQ(outbox.at("dead"), 2);
  EXPECT_EQ(outbox.at("file").at("cleanups").at("stop").at("dead"), 2);
  const Json& letters = outbox.at("file").at("dead_letters");
  ASSERT_EQ(letters.size(), 2U);
  EXPECT_EQ(letters.at(0).at("dead_reason"), "status 400 is final");
  const Json id = letters.at(0).at("webhook_id");

  EXPECT_EQ(post("/outbox/drop", {{"ids", {id, "none-such"}}}), (Json{{"changed", 1}, {"not_found", 1}}));
  EXPECT_EQ(json("/outbox").at("file").at("states").at("dead"), 1);
  EXPECT_TRUE(post("/outbox/drop", {{"ids", {id}}}, 404).at("error").is_string());

  receiver.server().on("/stop", respond(204));
  EXPECT_EQ(post("/outbox/retry", {{"all_dead", true}}), (Json{{"changed", 1}}));
  eventually("it to be delivered",
             [&] { return json("/outbox").at("file").at("states").at("delivered") == 1; });
  receiver.wait_for_calls(3);
  EXPECT_EQ(post("/outbox/retry", {{"all_dead", true}}), (Json{{"changed", 0}}));
}

TEST_F(AdminPages, DropAllDeadLetters) {
  receiver.server().on("/stop", respond(400));
  start_with();
  leave(1);
  leave(2);
  eventually("two dead letters", [&] { return json("/outbox").at("file").at("states").at("dead") == 2; });
  EXPECT_EQ(post("/outbox/drop", {{"all_dead", true}}), (Json{{"changed", 2}}));
  EXPECT_EQ(json("/outbox").at("file").at("states").at("dead"), 0);
}

TEST_F(AdminPages, SayWhatTheyExpect) {
  start_with();
  for (const char* body : {"", "{}", "[]", "{\"ids\":[]}", "{\"ids\":\"x\"}", "{\"ids\":[1]}",
                           "{\"all_dead\":false}", "{\"ids\":[\"x\"],\"all_dead\":true}"}) {
    const Response refused = page("/outbox/drop", "POST", body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_TRUE(refused.body.contains("all_dead")) << refused.body;
  }
  EXPECT_EQ(page("/log-level", "PUT", "{\"level\":\"loud\"}").status, 400);
  EXPECT_EQ(page("/log-level", "PUT", "debug").status, 400);
}

TEST_F(AdminPages, AnOutboxInMemoryHasCountsAndNoFile) {
  start_with("outbox: {store: memory}\n");
  leave(1);
  eventually("a delivery that is counted", [&] { return json("/outbox").at("delivered") == 1; });
  EXPECT_EQ(json("/outbox").at("file"), nullptr);
  EXPECT_TRUE(post("/outbox/retry", {{"all_dead", true}}, 409).at("error").is_string());
}

TEST_F(AdminPages, SetTheLogLevel) {
  start_with();
  EXPECT_EQ(json("/log-level").at("level"), "trace");
  const Response set = page("/log-level", "PUT", "{\"level\":\"warn\"}");
  EXPECT_EQ(Json::parse(set.body), (Json{{"level", "warn"}}));
  EXPECT_EQ(json("/log-level").at("level"), "warn");
  eventually("the change to be logged", [&] { return hangup->log().contains("log level=warn"); });
  hangup->stop();
  EXPECT_FALSE(hangup->log().contains("draining")) << "info is below warn";
}

// A page on another site, in an operator's browser.
TEST_F(AdminPages, ChangeNothingForAWebPage) {
  start_with();
  const Response refused = page("/drain", "POST", {}, {{"Origin", "http://evil.example"}});
  EXPECT_EQ(refused.status, 403);
  EXPECT_TRUE(is_ready());
}

TEST_F(AdminPages, DrainAsASignalDoes) {
  start_with();
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  EXPECT_EQ(post("/drain", Json::object(), 202), (Json{{"status", "draining"}}));
  EXPECT_EQ(json("/ready").at("reasons"), Json::array({"draining"}));
  EXPECT_EQ(post("/drain", Json::object(), 202), (Json{{"status", "draining"}}));
  eventually("no more connections", [&] {
    try {
      connect();
      return false;
    } catch (const std::exception&) {
      return true;
    }
  });
  // The orchestrator's own signal, after its hook has asked for the drain: it ends nothing.
  hangup->signal(SIGTERM);
  EXPECT_EQ(page("/live").status, 200);
  EXPECT_EQ(json("/exchanges").at("in_flight"), 1);
  upstream.send(request, response(200, "done"));
  EXPECT_EQ(client.read_response().body, "done");
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
}

TEST_F(AdminPages, ASecondSignalEndsADrainThatWasAskedForHere) {
  start_with({}, {.drain = "60s"});
  Client client = connect();
  client.send(get("/work"));
  upstream.wait_for_request("/work");
  post("/drain", Json::object(), 202);
  hangup->signal(SIGTERM);
  eventually("the drain", [&] { return hangup->log().contains("draining for"); });
  // Signals of a kind that wait for the process are one.
  eventually("its end", [&] {
    if (!std::filesystem::exists("/proc/" + std::to_string(hangup->pid()) + "/exe")) return true;
    hangup->signal(SIGINT);
    return false;
  });
  EXPECT_EQ(hangup->wait_for_exit().status, 0);
  expect_end(hangup->wait_for_exchange(), "shutdown", "awaiting_response", 503);
}

TEST_F(AdminPages, AreRedWhileNoServerOfARequiredUpstreamCanBeConnectedTo) {
  const TempDir dir;
  const std::string gone = "unix:" + (dir / "gone.sock").string();
  start_with({}, {.servers = '"' + gone + '"', .upstream = "required: true"});
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(connect().exchange(get("/quick")).status, 502);
  EXPECT_EQ(page("/ready").status, 503);
  EXPECT_EQ(json("/ready").at("reasons"), Json::array({"upstream app: no server is up"}));
  MockUpstream back({.address = gone});
  back.otherwise(respond(200, "back"));
  EXPECT_EQ(connect().exchange(get("/quick")).status, 200);
  EXPECT_TRUE(is_ready());
}

TEST_F(AdminPages, StayGreenWhileTheUpstreamIsNotRequiredOrAnotherServerIsThere) {
  const TempDir dir;
  const std::string gone = "unix:" + (dir / "gone.sock").string();
  start_with({}, {.servers = '"' + gone + "\", \"" + upstream.url() + '"', .upstream = "required: true"});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(connect().exchange(get("/quick")).status, 200);
  EXPECT_TRUE(is_ready());
  start_with({}, {.servers = '"' + gone + '"'});
  EXPECT_EQ(connect().exchange(get("/quick")).status, 502);
  EXPECT_TRUE(is_ready());
}

TEST_F(AdminPages, ClientsThatHoldConnectionsKeepNobodyOut) {
  start_with();
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(std::make_unique<Client>(admin()));
    if (i % 2 == 0) silent.back()->send("GET /live HTTP/1.1\r\nX-Half: ");
    if (i % 10 == 9) {
      EXPECT_EQ(page("/live").status, 200) << i;
    }
  }
  EXPECT_LT(hangup->descriptors(), 100U);
  silent.front()->wait_for_close();
  EXPECT_EQ(connect().exchange(get("/quick")).body, "quick");
}

TEST_F(AdminPages, RefuseWhatIsTooLong) {
  start_with();
  Client head(admin());
  head.try_send("GET /live HTTP/1.1\r\nX-Long: " + std::string(64 * 1024, 'x') + "\r\n\r\n");
  EXPECT_FALSE(head.read_to_close().contains("200 OK"));
  Client body(admin());
  body.try_send("POST /outbox/drop HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n{");
  EXPECT_FALSE(body.read_to_close().contains("200 OK"));
  EXPECT_EQ(page("/live").status, 200);
}

TEST_F(AdminPages, WarnAtAnAddressThatOthersCanReach) {
  start_with();
  EXPECT_FALSE(hangup->log().contains("not loopback"));
  hangup = std::make_unique<Hangup>(configuration() + "admin: {address: \"0.0.0.0:0\"}\n");
  EXPECT_TRUE(hangup->log().contains("which is not loopback")) << hangup->log();
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
