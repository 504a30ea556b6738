// One exchange between a client and a server that the test plays.
#pragma once

#include "support/capturing_sink.h"
#include "support/fake_scheduler.h"
#include "unit/proxy/fakes.h"

#include <gtest/gtest.h>
#include <spdlog/logger.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/proxy/proxy.h>

namespace hangup {

using nlohmann::json;

inline http::RequestHead parsed_request(const std::string& text) {
  http::RequestHeadParser parser({});
  const auto size = parser.parse(text);
  EXPECT_TRUE(size && *size == text.size()) << text;
  return parser.take();
}

inline http::ResponseHead parsed_response(const std::string& text, std::string_view method = "GET") {
  http::ResponseHeadParser parser({});
  const auto size = parser.parse(text, method);
  EXPECT_TRUE(size && *size == text.size()) << text;
  return parser.take();
}

inline config::Template text_template(std::string_view text) {
  return *config::Template::parse(text);
}

// One route to one upstream; a test changes it before the first request.
class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest() {
    auto cleanup = std::make_shared<config::Cleanup>();
    cleanup->name = "stop";
    cleanup->url = text_template("http://127.0.0.1:9/jobs/{path.id}?phase={phase}");
    cleanup->method = "DELETE";
    cleanup->body_kind = config::Cleanup::Body::none;
    route.name = "jobs";
    route.match.path.text = "/jobs/{id}";
    route.match.path.segments = {{false, "jobs"}, {true, "id"}};
    route.on_disconnect.cleanups = {cleanup};
    upstream_config->name = "backend";
    upstream_config->servers = {{"http://127.0.0.1:9000", {}, "127.0.0.1:9000"}};
  }

  // Sends a request through the proxy; the upstream has been asked for a connection when this returns.
  void send(const std::string& head) {
    if (!proxy) make_proxy();
    client = std::make_unique<test::FakeClient>(scheduler.now());
    client->fin = fin_came_with_the_request;
    client->info.subject = subject;
    proxy->on_request(*client, parsed_request(head));
  }
  void get() { send("GET /jobs/17?x=1 HTTP/1.1\r\nHost: example.com\r\n\r\n"); }
  void get_and_connect() {
    get();
    observer().on_connected(server());
  }
  void respond(const std::string& head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n") {
    observer().on_response_head(parsed_response(head));
  }
  // The exchange's one line; fails unless there is exactly one.
  json log_line() {
    scheduler.run();
    log->flush();
    const auto lines = access.messages();
    EXPECT_EQ(lines.size(), 1U);
    return lines.empty() ? json() : json::parse(lines.front());
  }
  void expect_over(std::string_view outcome, std::string_view phase, int status) {
    const json line = log_line();
    EXPECT_EQ(line["outcome"], outcome);
    EXPECT_EQ(line["phase"], phase);
    EXPECT_EQ(line["status"], status);
    EXPECT_EQ(proxy->in_flight(), 0U);
    EXPECT_EQ(scheduler.timers(), 0U) << "a timer outlived its exchange";
  }

  upstream::ServerObserver& observer() { return fake_upstream->observer(); }
  test::FakeRequestState& request() { return fake_upstream->request(); }
  const config::Server& server() { return upstream_config->servers.front(); }
  const std::vector<cleanup::Delivery>& cleanups() {
    scheduler.run();
    return outbox.deliveries;
  }

  void make_proxy() {
    auto made = std::make_shared<config::Config>();
    route.upstream = upstream_config;
    made->upstreams = {upstream_config};
    made->routes = {route};
    made->client_subject_headers = subject_headers;
    if (!tokens.empty()) {
      made->auth.emplace();
      made->auth->tokens = tokens;
      made->auth->forward_authorization = forward_authorization;
    }
    router = std::make_unique<proxy::Router>(made);
    fake_upstream = std::make_unique<test::FakeUpstream>(upstream_config);
    proxy = std::make_unique<proxy::Proxy>(
        proxy::Dependencies{.scheduler = scheduler,
                            .config = made,
                            .router = *router,
                            .upstreams = {{upstream_config.get(), fake_upstream.get()}},
                            .outbox = outbox,
                            .journal = &journal,
                            .access_log = *log,
                            .metrics = metrics,
                            .log = *messages.logger});
  }

  config::Route route;
  std::shared_ptr<config::Upstream> upstream_config = std::make_shared<config::Upstream>();
  bool fin_came_with_the_request = false;
  std::string subject;  // of the client's certificate
  std::vector<std::string> subject_headers;
  config::Tokens tokens;  // empty: no auth
  bool forward_authorization = false;

  test::FakeScheduler scheduler;
  test::CapturingLogger access;
  test::CapturingLogger messages;
  test::FakeOutbox outbox;
  test::FakeJournal journal;
  observe::WorkerMetrics metrics;
  std::unique_ptr<observe::AccessLog> log = std::make_unique<observe::AccessLog>(access.logger);
  std::unique_ptr<proxy::Router> router;
  std::unique_ptr<test::FakeUpstream> fake_upstream;
  std::unique_ptr<test::FakeClient> client;
  std::unique_ptr<proxy::Proxy> proxy;
};

}  // namespace hangup
