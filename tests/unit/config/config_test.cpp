#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::IsEmpty;
using std::chrono_literals::operator""s, std::chrono_literals::operator""ms,
    std::chrono_literals::operator""min;

std::filesystem::path source_file(const char* relative) {
  return std::filesystem::path(HANGUP_SOURCE_DIR) / relative;
}

TEST(Config, TheCompleteExampleLoads) {
  const auto file = source_file("conf/hangup.yaml");
  const auto loaded = load(file);
  if (!loaded) {
    for (const Problem& problem : loaded.error()) ADD_FAILURE() << to_string(problem, file);
    return;
  }
  const Config& config = **loaded;
  EXPECT_EQ(config.file, file);
  ASSERT_EQ(config.routes.size(), 3);
  ASSERT_EQ(config.routes[0].on_disconnect.cleanups.size(), 2);
  const Cleanup& stop = *config.routes[0].on_disconnect.cleanups[0];
  EXPECT_EQ(stop.name, "stop-report");
  EXPECT_EQ(stop.method, "DELETE");
  EXPECT_EQ(stop.to, Cleanup::To::same_server);
  EXPECT_THAT(stop.ok_status, ElementsAre(404));
  const Cleanup& tell = *config.routes[0].on_disconnect.cleanups[1];
  EXPECT_EQ(tell.name, "tell-the-bus");
  EXPECT_EQ(tell.tls.server_name, "bus.example.com");
  EXPECT_EQ(config.routes[0].request.set_query.at(0).first, "job");
  EXPECT_EQ(config.routes[0].request.set_json.at(0).first, "metadata.job");
  EXPECT_EQ(config.routes[1].on_disconnect.upstream, OnDisconnect::Upstream::finish);
  EXPECT_EQ(config.routes[1].on_disconnect.cleanups.at(0)->name, "import");
  EXPECT_EQ(config.upstreams.front()->servers.size(), 2);
}

TEST(Config, TheExampleShowsEveryKeyButTheDefaultsAreItsOwn) {
  const auto file = load(source_file("conf/hangup.yaml"));
  ASSERT_TRUE(file);
  const auto small = valid(with(""));
  const Listener& shown = (*file)->listeners.front();
  const Listener& usual = small->listeners.front();
  EXPECT_EQ(shown.head.head_bytes, usual.head.head_bytes);
  EXPECT_EQ(shown.head.fields, usual.head.fields);
  EXPECT_EQ(shown.body_bytes, usual.body_bytes);
  EXPECT_EQ(shown.connections.max, usual.connections.max);
  EXPECT_EQ(shown.connections.when_full, usual.connections.when_full);
  EXPECT_EQ(shown.connections.per_client, usual.connections.per_client);
  EXPECT_EQ(shown.timeouts.handshake, usual.timeouts.handshake);
  EXPECT_EQ(shown.proxy_protocol, usual.proxy_protocol);
  EXPECT_EQ(shown.timeouts.idle, usual.timeouts.idle);
  EXPECT_EQ(shown.timeouts.header, usual.timeouts.header);
  EXPECT_EQ(shown.timeouts.body_idle, usual.timeouts.body_idle);
  EXPECT_EQ(shown.timeouts.write_idle, usual.timeouts.write_idle);
  const Upstream& shown_upstream = *(*file)->upstreams.front();
  const Upstream& usual_upstream = *small->upstreams.front();
  EXPECT_EQ(shown_upstream.connections.max, usual_upstream.connections.max);
  EXPECT_EQ(shown_upstream.connections.keepalive, usual_upstream.connections.keepalive);
  EXPECT_EQ(shown_upstream.connections.idle, usual_upstream.connections.idle);
  EXPECT_EQ(shown_upstream.connections.queue, usual_upstream.connections.queue);
  EXPECT_EQ(shown_upstream.connections.retry_after, usual_upstream.connections.retry_after);
  EXPECT_EQ(shown_upstream.slow_start, usual_upstream.slow_start);
  EXPECT_EQ(shown_upstream.retries, usual_upstream.retries);
  EXPECT_EQ(shown_upstream.connections.queue_timeout, usual_upstream.connections.queue_timeout);
  EXPECT_EQ(shown_upstream.timeouts.connect, usual_upstream.timeouts.connect);
  EXPECT_EQ(shown_upstream.timeouts.first_byte, usual_upstream.timeouts.first_byte);
  EXPECT_EQ(shown_upstream.timeouts.idle, usual_upstream.timeouts.idle);
  EXPECT_EQ(shown_upstream.timeouts.total, usual_upstream.timeouts.total);
  EXPECT_EQ(shown_upstream.host_policy, usual_upstream.host_policy);
  EXPECT_EQ(shown_upstream.resolve, usual_upstream.resolve);
  EXPECT_EQ(shown_upstream.health, usual_upstream.health);
  EXPECT_EQ(shown_upstream.outlier, usual_upstream.outlier);
  const Cleanup& shown_cleanup = *(*file)->cleanups.front();
  const Cleanup& usual_cleanup = *small->cleanups.front();
  EXPECT_EQ(shown_cleanup.timeout, usual_cleanup.timeout);
  EXPECT_EQ(shown_cleanup.retry.max_attempts, usual_cleanup.retry.max_attempts);
  EXPECT_EQ(shown_cleanup.retry.backoff_base, usual_cleanup.retry.backoff_base);
  EXPECT_EQ(shown_cleanup.retry.backoff_max, usual_cleanup.retry.backoff_max);
  EXPECT_EQ(shown_cleanup.delay, usual_cleanup.delay);
  EXPECT_EQ(shown_cleanup.expire_after, usual_cleanup.expire_after);
  EXPECT_EQ((*file)->routes.front().request.json_limit, small->routes.front().request.json_limit);
  EXPECT_EQ((*file)->outbox.store, small->outbox.store);
  EXPECT_EQ((*file)->outbox.path, small->outbox.path);
  EXPECT_EQ((*file)->outbox.in_flight_journal, small->outbox.in_flight_journal);
  EXPECT_EQ((*file)->outbox.keep_delivered, small->outbox.keep_delivered);
  EXPECT_EQ((*file)->workers, small->workers);
  EXPECT_EQ((*file)->drain, small->drain);
  EXPECT_EQ((*file)->log.level, small->log.level);
}

TEST(Config, DefaultsAreFilledIn) {
  const auto config = valid(
      "listeners: [{address: \"127.0.0.1:8080\"}]\n"
      "upstreams: {app: {servers: [\"http://127.0.0.1\"]}}\n"
      "routes: [{upstream: app}, {name: named, upstream: app}, {upstream: app}]\n");
  EXPECT_GE(config->workers, 1U);
  EXPECT_EQ(config->listeners.front().name, "127.0.0.1:8080");
  EXPECT_EQ(config->upstreams.front()->balance, Balance::round_robin);
  EXPECT_EQ(config->upstreams.front()->servers.front().address.port(), 80);
  ASSERT_EQ(config->routes.size(), 3);
  const Route& route = config->routes.front();
  EXPECT_EQ(route.name, "route-1");
  EXPECT_EQ(config->routes[2].name, "route-3");
  EXPECT_EQ(route.position.line, 3);
  EXPECT_EQ(route.match.path.text, "/*");
  EXPECT_TRUE(route.match.path.prefix);
  EXPECT_FALSE(route.match.host);
  EXPECT_THAT(route.match.methods, IsEmpty());
  EXPECT_EQ(route.upstream, config->upstreams.front());
  EXPECT_EQ(route.on_disconnect.upstream, OnDisconnect::Upstream::abort);
  EXPECT_EQ(route.on_disconnect.half_close, OnDisconnect::HalfClose::probe);
  EXPECT_TRUE(route.on_disconnect.cleanups.empty());
  for (std::size_t i = 0; i < outcome_names.size(); ++i) {
    const auto outcome = static_cast<Outcome>(i);
    const bool is_default = outcome == Outcome::client_gone || outcome == Outcome::deadline ||
                            outcome == Outcome::shutdown || outcome == Outcome::crashed;
    EXPECT_EQ(route.cleanup_on.contains(outcome), is_default) << outcome_names[i];
  }
  EXPECT_TRUE(config->access_log.enabled);
  EXPECT_EQ(config->access_log.path, "stdout");
  EXPECT_EQ(config->log.path, "stderr");
  EXPECT_EQ(config->drain, 30s);
}

TEST(Config, EveryValueArrives) {
  const auto config = valid(R"(workers: 3
listeners:
  - name: in
    address: "[::1]:8443"
    limits: {header_bytes: 8KiB, headers: 50, body_bytes: 1GiB,
             connections: 500, when_full: reject, connections_per_client: 20}
    timeouts: {idle: 1s, header: 2s, body_idle: 3s, write_idle: 4s}
  - {address: "unix:/run/hangup/in.sock"}
upstreams:
  app:
    servers: ["http://127.0.0.1:9000", {url: "HTTP://[::1]:9001", weight: 3}, "unix:/run/app.sock"]
    balance: least_requests
    slow_start: 30s
    retries: {attempts: 5, on: [reset_before_head, 503, 502], budget: 7%, min_per_second: 2}
    host: server
    connections: {max: 10, keepalive: 5, idle: 6s, queue: 7, queue_timeout: 8s, retry_after: 12s}
    timeouts: {connect: 100ms, first_byte: 9s, idle: 10s, total: 0}
  other: {servers: ["http://127.0.0.1:1"], host: "example.com:8080"}
routes:
  - name: r
    match: {host: "*.example.com", path: "/r/{id}/*", methods: GET}
    upstream: app
    request: {set_header: {X-Id: "{path.id}"}, remove_header: X-Debug}
    response: {set_header: {X-Status: "{response.status}"}, remove_header: [Server, X-Powered-By]}
    on_disconnect: {upstream: finish, half_close: wait, grace: 1s, cleanup: c}
    cleanup_on: [client_gone, upstream_reset]
cleanups:
  c:
    url: "http://127.0.0.1:9002/x?id={path.id}"
    method: PUT
    headers: {Authorization: Bearer x}
    body: "id={path.id}"
    timeout: 11s
    retry: {max_attempts: 2, backoff: {base: 10ms, max: 20ms}}
access_log: off
log: {path: /var/log/hangup.log, level: debug, format: text}
shutdown: {drain: 0s}
)");
  EXPECT_EQ(config->workers, 3U);
  const Listener& in = config->listeners[0];
  EXPECT_EQ(in.address.to_string(), "[::1]:8443");
  EXPECT_EQ(in.head.head_bytes, 8 * 1024U);
  EXPECT_EQ(in.head.fields, 50U);
  EXPECT_EQ(in.body_bytes.count, 1024ULL * 1024 * 1024);
  EXPECT_EQ(in.connections.max, 500);
  EXPECT_EQ(in.connections.when_full, Listener::Connections::WhenFull::reject);
  EXPECT_EQ(in.connections.per_client, 20);
  EXPECT_EQ(in.timeouts.idle, 1s);
  EXPECT_EQ(in.timeouts.header, 2s);
  EXPECT_EQ(in.timeouts.body_idle, 3s);
  EXPECT_EQ(in.timeouts.write_idle, 4s);
  EXPECT_EQ(config->listeners[1].name, "unix:/run/hangup/in.sock");

  const Upstream& app = *config->upstreams[0];
  ASSERT_EQ(app.servers.size(), 3U);
  EXPECT_EQ(app.servers[0].url, "http://127.0.0.1:9000");
  EXPECT_EQ(app.servers[0].authority, "127.0.0.1:9000");
  EXPECT_EQ(app.servers[0].address.to_string(), "127.0.0.1:9000");
  EXPECT_EQ(app.servers[1].address.to_string(), "[::1]:9001");
  EXPECT_EQ(app.servers[2].address.to_string(), "unix:/run/app.sock");
  EXPECT_EQ(app.servers[2].authority, "localhost");
  EXPECT_EQ(app.balance, Balance::least_requests);
  EXPECT_EQ(app.servers[0].weight, 1U);
  EXPECT_EQ(app.servers[1].weight, 3U);
  EXPECT_EQ(app.slow_start, 30s);
  EXPECT_EQ(app.retries.attempts, 5U);
  EXPECT_FALSE(app.retries.connect);
  EXPECT_TRUE(app.retries.reset_before_head);
  EXPECT_THAT(app.retries.statuses, ElementsAre(503, 502));
  EXPECT_EQ(app.retries.budget_percent, 7U);
  EXPECT_EQ(app.retries.min_per_second, 2U);
  EXPECT_EQ(app.connections.retry_after, 12s);
  EXPECT_EQ(app.host_policy, Upstream::HostPolicy::server);
  EXPECT_EQ(app.connections.max, 10U);
  EXPECT_EQ(app.connections.keepalive, 5U);
  EXPECT_EQ(app.connections.idle, 6s);
  EXPECT_EQ(app.connections.queue, 7U);
  EXPECT_EQ(app.connections.queue_timeout, 8s);
  EXPECT_EQ(app.timeouts.connect, 100ms);
  EXPECT_EQ(app.timeouts.first_byte, 9s);
  EXPECT_EQ(app.timeouts.idle, 10s);
  EXPECT_EQ(app.timeouts.total, 0s);
  EXPECT_EQ(config->upstreams[1]->host_policy, Upstream::HostPolicy::literal);
  EXPECT_EQ(config->upstreams[1]->host, "example.com:8080");

  const Route& route = config->routes.front();
  EXPECT_EQ(route.match.host, "*.example.com");
  EXPECT_THAT(route.match.methods, ElementsAre("GET"));
  EXPECT_EQ(route.match.path.segments.size(), 2U);
  ASSERT_EQ(route.request.set.size(), 1U);
  EXPECT_EQ(route.request.set.front().first, "X-Id");
  EXPECT_THAT(route.request.remove, ElementsAre("X-Debug"));
  EXPECT_EQ(route.response.set.front().second.text(), "{response.status}");
  EXPECT_THAT(route.response.remove, ElementsAre("Server", "X-Powered-By"));
  EXPECT_EQ(route.on_disconnect.upstream, OnDisconnect::Upstream::finish);
  EXPECT_EQ(route.on_disconnect.half_close, OnDisconnect::HalfClose::wait);
  EXPECT_EQ(route.on_disconnect.grace, 1s);
  EXPECT_EQ(route.on_disconnect.cleanups, config->cleanups);
  EXPECT_TRUE(route.cleanup_on.contains(Outcome::upstream_reset));
  EXPECT_FALSE(route.cleanup_on.contains(Outcome::deadline));

  const Cleanup& cleanup = *config->cleanups.front();
  EXPECT_EQ(cleanup.method, "PUT");
  EXPECT_EQ(cleanup.headers.front().first, "Authorization");
  EXPECT_EQ(cleanup.body_kind, Cleanup::Body::template_text);
  EXPECT_EQ(cleanup.body_place, Place::text);
  EXPECT_EQ(cleanup.timeout, 11s);
  EXPECT_EQ(cleanup.retry.max_attempts, 2U);
  EXPECT_EQ(cleanup.retry.backoff_base, 10ms);
  EXPECT_EQ(cleanup.retry.backoff_max, 20ms);
  EXPECT_FALSE(config->access_log.enabled);
  EXPECT_EQ(config->log.path, "/var/log/hangup.log");
  EXPECT_EQ(config->log.level, "debug");
  EXPECT_EQ(config->drain, 0s);
}

TEST(Config, KeepaliveFollowsASmallMaximum) {
  const auto config = valid(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "upstreams: {app: {servers: [\"http://127.0.0.1\"], connections: {max: 2}}}\n"
      "routes: [{upstream: app}]\n");
  EXPECT_EQ(config->upstreams.front()->connections.keepalive, 2U);
}

TEST(Config, ServerNamesAreLookedUp) {
  const auto config = valid(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "upstreams: {app: {servers: [\"http://localhost:9000\"]}}\n"
      "routes: [{upstream: app}]\n");
  ASSERT_EQ(config->upstreams.front()->servers.size(), 1U);
  EXPECT_EQ(config->upstreams.front()->servers.front().address.to_string(), "127.0.0.1:9000");
  EXPECT_EQ(config->upstreams.front()->servers.front().authority, "localhost:9000");
}

TEST(Config, AnchorsAndMergeKeysWork) {
  const auto config = valid(R"(listeners: [{address: "127.0.0.1:0"}]
upstreams:
  a: &base {servers: ["http://127.0.0.1:1"], connections: {max: 1}, timeouts: &short {connect: 1ms, idle: 2ms}}
  b: {<<: *base, servers: ["http://127.0.0.1:2"]}
  c: {<<: [*base], timeouts: {<<: *short, idle: 3ms}}
routes: [{upstream: c}]
)");
  ASSERT_EQ(config->upstreams.size(), 3U);
  const Upstream& b = *config->upstreams[1];
  EXPECT_EQ(b.servers.front().url, "http://127.0.0.1:2");
  EXPECT_EQ(b.connections.max, 1U);
  const Upstream& c = *config->upstreams[2];
  EXPECT_EQ(c.servers.front().url, "http://127.0.0.1:1");
  EXPECT_EQ(c.timeouts.connect, 1ms);
  EXPECT_EQ(c.timeouts.idle, 3ms);
}

TEST(Config, AFileThatCantBeReadIsAProblemWithoutAPosition) {
  const auto missing = load("/nowhere/hangup.yaml");
  ASSERT_FALSE(missing);
  ASSERT_EQ(missing.error().size(), 1U);
  EXPECT_EQ(to_string(missing.error().front(), "/nowhere/hangup.yaml"),
            "/nowhere/hangup.yaml: can't be read: No such file or directory");
  const auto directory = load("/tmp");
  ASSERT_FALSE(directory);
  EXPECT_EQ(to_string(directory.error().front(), "/tmp"), "/tmp: can't be read: Is a directory");
}

TEST(Config, AFileOfMoreThan4MiBIsRefused) {
  const auto file = std::filesystem::path(testing::TempDir()) / "hangup-large.yaml";
  std::ofstream(file) << with("#" + std::string(4 * 1024 * 1024, 'x'));
  const auto loaded = load(file);
  std::filesystem::remove(file);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().front().message, "larger than 4MiB: not a configuration");
}

}  // namespace
}  // namespace hangup::config
