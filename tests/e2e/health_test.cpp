// Which servers get requests: health checks, and ejection of those that fail.
#include "e2e/admin_fixture.h"
#include "e2e/name_load.h"
#include "support/certificates.h"

#include <fmt/format.h>

#include <atomic>
#include <set>
#include <string>

namespace hangup::test {
namespace {

// Two servers, `upstream` and `other`, that answer with their names, and checks with what the test says.
class Health : public AdminTest {
 protected:
  Health() {
    prepare(upstream, "first", first_check);
    prepare(other, "second", second_check);
  }
  static void prepare(MockUpstream& server, const std::string& name, std::atomic<int>& check) {
    server.on("/healthz", [&check](const RequestRecord&) { return respond(check.load()); });
    server.on("/name", respond(200, name));
  }
  Yaml both(const std::string& more) const {
    Yaml yaml;
    yaml.servers = fmt::format("\"{}\", \"{}\"", upstream.url(), other.url());
    yaml.upstream = more;
    yaml.workers = 1;  // each has its own turn
    return yaml;
  }
  static std::string checks(const std::string& more = {}) {
    return "health: {path: /healthz, interval: 20ms, timeout: 5s, unhealthy: 2, healthy: 2" + more + "}";
  }
  static std::string sample(const std::string& name, const MockUpstream& server,
                            const std::string& more = {}) {
    return fmt::format("{}{{upstream=\"app\",server=\"{}\"{}}}", name, server.url(), more);
  }
  void wait_until_up(const MockUpstream& server, bool up) const {
    wait_for(sample("hangup_server_up", server), up ? 1 : 0);
  }
  // Lines come a little after what they tell of.
  void wait_for_log(const std::string& text) const {
    eventually("the log to say " + text, [&] { return hangup->log().contains(text); });
  }
  // Who answers so many requests: "first", "second", or "first second" for both.
  std::string who_answers(int requests = 10) const {
    std::set<std::string> names;
    for (int i = 0; i < requests; ++i) {
      const Response response = connect().exchange(get("/name"));
      names.insert(response.status == 200 ? response.body : std::to_string(response.status));
    }
    return fmt::format("{}", fmt::join(names, " "));
  }

  std::atomic<int> first_check = 200;
  std::atomic<int> second_check = 200;
  MockUpstream other;
};

TEST_F(Health, AServerThatFailsItsChecksGetsNoRequestsUntilItPassesThemAgain) {
  start_with({}, both(checks()));
  EXPECT_EQ(who_answers(), "first second");
  eventually(
      "a check that passes",  // the very first one would take it down alone
      [&] { return value(sample("hangup_server_checks_total", upstream, ",result=\"passed\"")) >= 1; });
  first_check = 500;
  wait_until_up(upstream, false);
  EXPECT_EQ(who_answers(), "second");
  first_check = 204;
  wait_until_up(upstream, true);
  EXPECT_EQ(who_answers(), "first second");
  EXPECT_GE(value(sample("hangup_server_checks_total", upstream, ",result=\"failed\"")), 2);
  EXPECT_GE(value(sample("hangup_server_checks_total", upstream, ",result=\"passed\"")), 2);
  const std::string server = "upstream=app server=" + upstream.url();
  wait_for_log(server + " is down: it fails its checks: status 500");
  wait_for_log(server + " is up: it passes its checks");
}

TEST_F(Health, ThePagesAreRedWhileAllServersOfARequiredUpstreamFailTheirChecks) {
  first_check = second_check = 503;
  start_with({}, both(checks() + ", required: true"));
  eventually("red", [&] { return !is_ready(); });
  EXPECT_EQ(json("/ready").at("reasons"), Json::array({"upstream app: no server is up"}));
  EXPECT_EQ(who_answers(), "first second") << "rather than nobody";
  second_check = 200;
  eventually("green", [&] { return is_ready(); });
  EXPECT_EQ(who_answers(), "second");
}

TEST_F(Health, AServerThatDoesNotAnswerItsChecksInTimeIsDown) {
  upstream.on("/healthz", never_answer());
  start_with({}, both("health: {path: /healthz, interval: 50ms, timeout: 500ms, unhealthy: 2}"));
  wait_until_up(upstream, false);
  wait_for_log("is down: it fails its checks: no answer within 500ms");
  EXPECT_EQ(who_answers(), "second");
}

TEST_F(Health, WithoutAPathAServerIsUpThatCanBeConnectedTo) {
  const TempDir dir;
  const std::string gone = "unix:" + (dir / "gone.sock").string();
  Yaml yaml = both("health: {interval: 20ms}");
  yaml.servers = fmt::format("\"{}\", \"{}\"", gone, other.url());
  start_with({}, yaml);
  const std::string up = "hangup_server_up{upstream=\"app\",server=\"" + gone + "\"}";
  wait_for(up, 0);
  EXPECT_EQ(who_answers(), "second");
  MockUpstream back({.address = gone});
  wait_for(up, 1);
  EXPECT_EQ(other.wait_for_request("/name").message.method, "GET");
  EXPECT_EQ(back.request_count(), 0U);
}

TEST_F(Health, ChecksOfHttpsServersVerifyTheirCertificate) {
  const PemFiles files;
  const Identity ca = make_identity("", nullptr);
  const Identity identity = make_identity("IP:127.0.0.1", &ca);
  const Identity stranger = make_identity("DNS:other.test", &ca);
  MockUpstream good({.tls = make_server_context(identity)});
  MockUpstream bad({.may_be_malformed = true, .tls = make_server_context(stranger)});
  prepare(good, "good", first_check);
  Yaml yaml = both(checks() + ", tls: {ca: \"" + files.certificate(ca, "ca.pem").string() + "\"}");
  yaml.servers = fmt::format("\"{}\", \"{}\"", good.url(), bad.url());
  start_with({}, yaml);
  wait_until_up(bad, false);
  good.wait_for_request("/healthz", 3);
  EXPECT_EQ(value(sample("hangup_server_up", good)), 1);
  EXPECT_EQ(who_answers(), "good");
}

TEST_F(Health, AReloadKeepsWhatIsKnownAndAServerThatIsGoneIsCheckedNoMore) {
  first_check = 500;
  Yaml yaml = both(checks());
  start_with({}, yaml);
  wait_until_up(upstream, false);
  const double failed = value(sample("hangup_server_checks_total", upstream, ",result=\"failed\""));
  const std::string admin_yaml = "admin: {address: \"127.0.0.1:0\"}\n";
  yaml.route = "response: {set_header: {X-New: \"1\"}}";
  ASSERT_TRUE(hangup->reload(configuration(yaml) + admin_yaml));
  EXPECT_EQ(value(sample("hangup_server_up", upstream)), 0);
  EXPECT_GE(value(sample("hangup_server_checks_total", upstream, ",result=\"failed\"")), failed);

  yaml.servers = '"' + other.url() + '"';
  ASSERT_TRUE(hangup->reload(configuration(yaml) + admin_yaml));
  eventually("the end of what the old checker had under way", [&] {
    const std::size_t before = upstream.request_count();
    other.wait_for_requests(other.request_count() + 10);
    return upstream.request_count() == before;
  });
}

TEST_F(Health, OneCheckerChecksForAllWorkers) {
  Yaml yaml = both("health: {path: /healthz, interval: 1h}");
  yaml.workers = 4;
  start_with({}, yaml);
  EXPECT_EQ(who_answers(20), "first second");
  upstream.wait_for_request("/healthz");
  hangup->stop();
  std::size_t checks = 0;
  for (const RequestRecord& request : upstream.requests()) checks += request.message.target == "/healthz";
  EXPECT_EQ(checks, 1U);
}

TEST_F(Health, UnderLoadAServerGoesAndComesBackWithoutAFailedRequest) {
  std::atomic<int> status = 200;
  std::atomic<std::size_t> asked = 0;
  upstream.on("/name", [&](const RequestRecord&) {
    ++asked;
    return respond(status.load(), "first");
  });
  Yaml yaml = both(checks() + ", slow_start: 100ms");
  yaml.workers = 2;
  start_with({}, yaml);
  {
    const NameLoad load([this] { return connect(); });
    for (int i = 0; i < 5; ++i) {
      first_check = 503;
      wait_until_up(upstream, false);
      load.go_on();
      status = 500;  // whoever gets that has failed
      load.go_on();
      status = 200;
      const std::size_t before = asked;
      first_check = 200;
      eventually("requests at the server that is back", [&] { return asked >= before + 3; });
    }
    EXPECT_EQ(load.failed(), 0U);
  }
  hangup->stop();
}

TEST_F(Health, RequestsWaitForAServerThatIsFullRatherThanGoToOneThatIsDown) {
  second_check = 500;
  start_with({}, both("connections: {max: 1}, health: {path: /healthz, interval: 1h}"));
  wait_until_up(other, false);
  Client busy = connect();
  busy.send(get("/work"));
  const RequestRecord work = upstream.wait_for_request("/work");
  Client waiting = connect();
  waiting.send(get("/name"));
  wait_for("hangup_upstream_queue_length{upstream=\"app\"}", 1);
  upstream.send(work, response(200, "done"));
  EXPECT_EQ(busy.read_response().body, "done");
  EXPECT_EQ(waiting.read_response().body, "first");
}

TEST_F(Health, AReloadThatChangesAnUpstreamKeepsWhatIsKnownOfItsServers) {
  first_check = 500;
  Yaml yaml = both("health: {path: /healthz, interval: 1h}");
  start_with({}, yaml);
  wait_until_up(upstream, false);
  first_check = 200;
  yaml.upstream += ", slow_start: 1s";
  ASSERT_TRUE(hangup->reload(configuration(yaml) + "admin: {address: \"127.0.0.1:0\"}\n"));
  wait_for(sample("hangup_server_checks_total", upstream, ",result=\"passed\""), 1);
  EXPECT_EQ(value(sample("hangup_server_up", upstream)), 0) << "one pass is not enough, as without a reload";
  EXPECT_EQ(who_answers(), "second");
}

// ---- Ejection

class Ejection : public Health {};

TEST_F(Ejection, AServerThatFailsSoManyRequestsInARowGetsNoneForAWhile) {
  upstream.on("/name", respond(503));
  start_with({}, both("outlier: {failures: 3, eject: 1h}"));
  for (int i = 0; i < 6; ++i) connect().exchange(get("/name"));
  EXPECT_EQ(value(sample("hangup_server_ejections_total", upstream)), 1);
  wait_until_up(upstream, false);
  EXPECT_EQ(who_answers(), "second");
  wait_for_log("upstream=app server=" + upstream.url() +
               " is ejected for 1h: 3 failures in a row, the last one: status 503");
}

TEST_F(Ejection, AServerThatRefusesConnectionsIsEjectedWithoutAFailedRequest) {
  const TempDir dir;
  const std::string gone = "unix:" + (dir / "gone.sock").string();
  Yaml yaml = both("outlier: {failures: 1, eject: 1h}");
  yaml.servers = fmt::format("\"{}\", \"{}\"", gone, other.url());
  start_with({}, yaml);
  EXPECT_EQ(who_answers(), "second");
  EXPECT_EQ(value("hangup_server_ejected{upstream=\"app\",server=\"" + gone + "\"}"), 1);
  EXPECT_EQ(value(sample("hangup_server_ejected", other)), 0);
}

TEST_F(Ejection, OutlastsAReloadThatChangesTheUpstreamAndEndsAfterIt) {
  upstream.on("/name", in_turn({respond(502), respond(200, "first")}));
  Yaml yaml = both("outlier: {failures: 1, eject: 2s}");
  start_with({}, yaml);
  eventually("an ejection", [&] {
    connect().exchange(get("/name"));
    return value(sample("hangup_server_ejected", upstream)) == 1;
  });
  yaml.upstream += ", slow_start: 1ms";
  ASSERT_TRUE(hangup->reload(configuration(yaml) + "admin: {address: \"127.0.0.1:0\"}\n"));
  EXPECT_EQ(value(sample("hangup_server_ejected", upstream)), 1);
  EXPECT_EQ(who_answers(), "second");
  wait_for_log("gets requests again: its ejection has ended");
  EXPECT_EQ(who_answers(), "first second");
}

TEST_F(Ejection, EndsByItself) {
  upstream.on("/name", in_turn({respond(502), respond(200, "first")}));
  start_with({}, both("outlier: {failures: 1, eject: 300ms}"));
  const std::string ejections = sample("hangup_server_ejections_total", upstream);
  eventually("an ejection", [&] {
    connect().exchange(get("/name"));
    return value(ejections) == 1;
  });
  wait_until_up(upstream, true);
  EXPECT_EQ(who_answers(), "first second");
  EXPECT_EQ(value(ejections), 1);
  wait_for_log("gets requests again: its ejection has ended");
}

TEST_F(Ejection, ResetsNonsenseAndSilenceBeforeTheHeadCountEach) {
  upstream.on("/name", in_turn({Script().reset(), Script().after_body().send("nonsense\r\n\r\n"),
                                never_answer(), respond(504)}));
  start_with(
      {}, both("outlier: {failures: 4, eject: 1h}, timeouts: {first_byte: 100ms}, retries: {attempts: 0}"));
  const std::string ejections = sample("hangup_server_ejections_total", upstream);
  for (int i = 0; i < 6; ++i) connect().exchange(get("/name"));
  EXPECT_EQ(value(ejections), 0);
  for (int i = 0; i < 2; ++i) connect().exchange(get("/name"));
  EXPECT_EQ(value(ejections), 1);
}

TEST_F(Ejection, ClientsThatLeaveAreNoFailureOfTheServer) {
  upstream.on("/work", never_answer());
  other.on("/work", never_answer());
  start_with({}, both("outlier: {failures: 1, eject: 1h}"));
  for (std::size_t i = 0; i < 6; ++i) {
    Client client = connect();
    client.send(get("/work"));
    eventually("the request", [&] { return upstream.request_count() + other.request_count() == i + 1; });
    client.close();
    eventually("its end", [&] { return upstream.close_count() + other.close_count() == i + 1; });
  }
  EXPECT_EQ(value(sample("hangup_server_ejections_total", upstream)), 0);
  EXPECT_EQ(value(sample("hangup_server_ejections_total", other)), 0);
}

TEST_F(Ejection, TheOnlyServerIsNeverEjected) {
  upstream.on("/name", respond(503));
  start_with({}, {.upstream = "outlier: {failures: 1, eject: 1h}, required: true"});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(connect().exchange(get("/name")).status, 503);
  EXPECT_EQ(value(sample("hangup_server_ejections_total", upstream)), 0);
  EXPECT_TRUE(is_ready());
}

}  // namespace
}  // namespace hangup::test
