// /metrics: each metric counts what it says. The thing is made to happen, and seen.
#include "e2e/admin_fixture.h"
#include "support/process.h"

#include <cstdlib>
#include <string>

namespace hangup::test {
namespace {

class Metrics : public AdminTest {};

TEST_F(Metrics, AreInPrometheusTextAndWithoutFault) {
  start_with();
  leave(1);
  wait_for("hangup_cleanups_delivered_total{cleanup=\"stop\"}", 1);
  const Response metrics = page("/metrics");
  EXPECT_EQ(metrics.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  const TempDir dir;
  write_file(dir / "metrics", metrics.body);
  const Finished checked =
      run({"sh", "-c",
           "command -v promtool >&2 || exit 127; promtool check metrics <" + (dir / "metrics").string()});
  if (checked.exit.status == 127) {
    if (std::getenv("CI") != nullptr) FAIL() << "promtool is not there: install Debian's package prometheus";
    GTEST_SKIP() << "promtool is not there: install Debian's package prometheus";
  }
  EXPECT_EQ(checked.exit.status, 0) << checked.out << checked.err;
}

TEST_F(Metrics, CountExchangesByRouteAndOutcome) {
  start_with({}, {.match = "path: \"/quick\""});
  EXPECT_EQ(connect().exchange(get("/quick")).status, 200);
  EXPECT_EQ(connect().exchange(get("/quick")).status, 200);
  EXPECT_EQ(connect().exchange(get("/elsewhere")).status, 404);
  wait_for("hangup_exchanges_total{route=\"all\",outcome=\"completed\"}", 2);
  wait_for("hangup_exchanges_total{route=\"\",outcome=\"rejected\"}", 1);
  wait_for("hangup_exchanges_in_flight", 0);
  EXPECT_EQ(value("hangup_exchanges_total{route=\"all\",outcome=\"client_gone\"}"), 0);
  EXPECT_EQ(value("hangup_exchange_duration_seconds_count{route=\"all\"}"), 2);
  EXPECT_GT(value("hangup_exchange_duration_seconds_sum{route=\"all\"}"), 0);
  EXPECT_EQ(value("hangup_exchange_duration_seconds_bucket{route=\"all\",le=\"+Inf\"}"), 2);
}

TEST_F(Metrics, SayWhatADisconnectHasCut) {
  start_with();
  Client client = connect();
  client.send(get("/work"));
  const RequestRecord request = upstream.wait_for_request("/work");
  wait_for("hangup_exchanges_in_flight", 1);
  client.close();
  upstream.wait_for_close(request);
  wait_for("hangup_client_gone_total{route=\"all\",phase=\"awaiting_response\"}", 1);
  EXPECT_EQ(value("hangup_exchanges_total{route=\"all\",outcome=\"client_gone\"}"), 1);
  EXPECT_EQ(value("hangup_client_gone_total{route=\"all\",phase=\"queued\"}"), 0);
  EXPECT_EQ(value("hangup_exchanges_in_flight"), 0);
  EXPECT_EQ(value("hangup_abort_latency_seconds_count"), 1);
  EXPECT_EQ(value("hangup_abort_after_seconds_count{route=\"all\"}"), 1);
  const Json line = hangup->wait_for_exchange();
  EXPECT_NEAR(value("hangup_abort_latency_seconds_sum") * 1e6, line.at("abort_us").get<double>(), 1.1);
  EXPECT_NEAR(value("hangup_abort_after_seconds_sum{route=\"all\"}") * 1e3,
              line.at("duration_ms").get<double>(), 0.01);
}

TEST_F(Metrics, FollowACleanupToItsEnd) {
  receiver.server().on("/stop", respond(503));
  start_with({}, {.cleanup = "retry: {backoff: {base: 1ms, max: 20ms}, max_attempts: 1000}"});
  leave(1);
  wait_for("hangup_cleanups_owed_total{cleanup=\"stop\"}", 1);
  eventually("an attempt to be followed by another",
             [&] { return value("hangup_cleanups_retried_total{cleanup=\"stop\"}") >= 1; });
  EXPECT_EQ(value("hangup_outbox_pending"), 1);
  eventually("it to grow old", [&] { return value("hangup_outbox_oldest_seconds") > 0; });
  EXPECT_EQ(value("hangup_cleanups_delivered_total{cleanup=\"stop\"}"), 0);
  receiver.server().on("/stop", respond(204));
  wait_for("hangup_cleanups_delivered_total{cleanup=\"stop\"}", 1);
  wait_for("hangup_outbox_pending", 0);
  wait_for("hangup_outbox_oldest_seconds", 0);
  EXPECT_EQ(value("hangup_cleanups_dead_total{cleanup=\"stop\"}"), 0);
  EXPECT_EQ(value("hangup_outbox_trouble"), 0);
}

TEST_F(Metrics, CountTheDead) {
  receiver.server().on("/stop", respond(400));
  start_with();
  leave(1);
  wait_for("hangup_cleanups_dead_total{cleanup=\"stop\"}", 1);
  EXPECT_EQ(value("hangup_cleanups_expired_total{cleanup=\"stop\"}"), 0);
  wait_for("hangup_outbox_dead_letters", 1);
  post("/outbox/drop", {{"all_dead", true}});
  EXPECT_EQ(value("hangup_outbox_dead_letters"), 0);
}

TEST_F(Metrics, CountTheExpiredAmongTheDead) {
  receiver.server().on("/stop", respond(503));
  start_with({},
             {.cleanup = "expire_after: 50ms, retry: {backoff: {base: 1ms, max: 5ms}, max_attempts: 1000}"});
  leave(1);
  wait_for("hangup_cleanups_expired_total{cleanup=\"stop\"}", 1);
  EXPECT_EQ(value("hangup_cleanups_dead_total{cleanup=\"stop\"}"), 1);
}

TEST_F(Metrics, CountCleanupsThatWereSkippedByTheReason) {
  start_with(
      {}, {.upstream = "connections: {max: 1}", .cleanup_url = receiver.url("/stop/{request.header.x-job}")});
  leave(1);  // without the header
  wait_for("hangup_cleanups_skipped_total{cleanup=\"stop\",reason=\"no_value\"}", 1);
  Client first = connect();
  first.send(get("/work"));
  upstream.wait_for_request("/work", 2);
  Client second = connect();
  second.send(get("/work"));
  wait_for("hangup_upstream_queue_length{upstream=\"app\"}", 1);
  second.close();
  wait_for("hangup_cleanups_skipped_total{cleanup=\"stop\",reason=\"nothing_sent\"}", 1);
  wait_for("hangup_client_gone_total{route=\"all\",phase=\"queued\"}", 1);
  wait_for("hangup_upstream_queue_length{upstream=\"app\"}", 0);
  EXPECT_EQ(value("hangup_cleanups_owed_total{cleanup=\"stop\"}"), 0);
}

TEST_F(Metrics, CountCleanupsThatGraceHasSpared) {
  start_with({}, {.on_disconnect = "grace: 60s, cleanup: stop"});
  const RequestRecord request = leave_work_behind();
  upstream.send(request, response(200, "done"));
  wait_for("hangup_cleanups_skipped_total{cleanup=\"stop\",reason=\"finished_within_grace\"}", 1);
  EXPECT_EQ(value("hangup_abort_latency_seconds_count"), 0);
}

TEST_F(Metrics, TellReusedConnectionsFromNewOnes) {
  start_with({}, {.workers = 1});
  const std::string server = "upstream=\"app\",server=\"" + upstream.url() + '"';
  Client client = connect();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.exchange(get("/quick")).status, 200);
  EXPECT_EQ(value("hangup_upstream_requests_total{upstream=\"app\",connection=\"new\"}"), 1);
  EXPECT_EQ(value("hangup_upstream_requests_total{upstream=\"app\",connection=\"reused\"}"), 2);
  EXPECT_EQ(value("hangup_server_connects_total{" + server + ",result=\"connected\"}"), 1);
  wait_for("hangup_server_connections{" + server + ",state=\"idle\"}", 1);
  client.send(get("/work"));
  upstream.wait_for_request("/work");
  EXPECT_EQ(value("hangup_server_connections{" + server + ",state=\"idle\"}"), 0);
  EXPECT_EQ(value("hangup_server_connections{" + server + ",state=\"busy\"}"), 1);
  EXPECT_EQ(value("hangup_server_requests_in_flight{" + server + '}'), 1);
}

TEST_F(Metrics, SayWhetherAServerCanBeConnectedTo) {
  const TempDir dir;
  const std::string gone = "unix:" + (dir / "gone.sock").string();
  start_with({}, {.servers = '"' + gone + '"'});
  const std::string server = "upstream=\"app\",server=\"" + gone + '"';
  EXPECT_EQ(value("hangup_server_up{" + server + '}'), 1);
  EXPECT_EQ(connect().exchange(get("/quick")).status, 502);
  EXPECT_EQ(value("hangup_server_up{" + server + '}'), 0);
  EXPECT_EQ(value("hangup_server_connects_total{" + server + ",result=\"failed\"}"), 1);
  MockUpstream back({.address = gone});
  back.otherwise(respond(200, "back"));
  EXPECT_EQ(connect().exchange(get("/quick")).status, 200);
  EXPECT_EQ(value("hangup_server_up{" + server + '}'), 1);
}

TEST_F(Metrics, CountConnectionsOfClients) {
  start_with({}, {.listener = "limits: {connections: 2, when_full: reject}"});
  const std::string refused = "hangup_connections_refused_total{listener=\"public\",reason=";
  Client first = connect();
  EXPECT_EQ(first.exchange(get("/quick")).status, 200);
  Client second = connect();
  EXPECT_EQ(second.exchange(get("/quick")).status, 200);
  EXPECT_EQ(value("hangup_connections_open{listener=\"public\"}"), 2);
  EXPECT_EQ(connect().exchange(get("/quick")).status, 503);
  EXPECT_EQ(value("hangup_connections_accepted_total{listener=\"public\"}"), 3);
  EXPECT_EQ(value(refused + "\"connections\"}"), 1);
  EXPECT_EQ(value(refused + "\"connections_per_client\"}"), 0);
  first.close();
  wait_for("hangup_connections_open{listener=\"public\"}", 1);
}

TEST_F(Metrics, CountConnectionsThatAreRefusedToOneClientOrBreakOff) {
  start_with({}, {.listener = "limits: {connections_per_client: 1}"});
  const std::string refused = "hangup_connections_refused_total{listener=\"public\",reason=";
  const Client first = connect();
  wait_for("hangup_connections_open{listener=\"public\"}", 1);
  EXPECT_EQ(connect().exchange(get("/quick")).status, 503);
  EXPECT_EQ(value(refused + "\"connections_per_client\"}"), 1);
  EXPECT_EQ(value(refused + "\"handshake\"}"), 0);
  start_with({}, {.listener = "proxy_protocol: accept, trusted_proxies: [127.0.0.1]"});
  Client nonsense = connect();
  nonsense.send("GET / HTTP/1.1\r\n\r\n");
  nonsense.wait_for_close();
  EXPECT_EQ(value(refused + "\"handshake\"}"), 1);
}

TEST_F(Metrics, MeasureTheLoopsAndWhatTheAccessLogHasDropped) {
  start_with({}, {.workers = 1});
  eventually("a sample of the loop's lag", [&] { return value("hangup_loop_lag_seconds_count") > 0; });
  EXPECT_EQ(value("hangup_access_log_dropped_total"), 0);
}

// What the process died with is counted by the one that finds out.
TEST_F(Metrics, CountTheCrashed) {
  const TempDir dir;
  const std::string outbox = "outbox: {path: \"" + (dir / "outbox.db").string() + "\"}\n";
  {
    Client client = [&] {
      start_with(outbox);
      Client connected = connect();
      connected.send(get("/work"));
      upstream.wait_for_request("/work");
      return connected;
    }();
    hangup->signal(SIGKILL);
    hangup->wait_for_exit();
  }
  start_with(outbox);
  EXPECT_EQ(value("hangup_exchanges_total{route=\"all\",outcome=\"crashed\"}"), 1);
}

TEST_F(Metrics, SayWhenTheOutboxFails) {
  const TempDir dir;
  start_with("outbox: {path: \"" + (dir / "not" / "there" / "outbox.db").string() + "\"}\n");
  wait_for("hangup_outbox_trouble", 1);
  EXPECT_FALSE(samples().contains("hangup_outbox_dead_letters")) << "it is not known";
}

}  // namespace
}  // namespace hangup::test
