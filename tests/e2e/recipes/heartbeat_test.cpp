// Heartbeats of the kind `chunk` before real clients, and before proxies that stand between hangup and its
// clients: all read a stream with leading zeros in its gap as one without.
#include "e2e/recipes/server.h"
#include "support/hangup.h"
#include "support/mock_upstream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace hangup::test {
namespace {

constexpr std::string_view nodejs = "/usr/bin/node";

class HeartbeatBeforeReal : public ::testing::Test {
 protected:
  HeartbeatBeforeReal() {
    upstream.on("/ready", respond(200, "ready"));
    upstream.on("/work", Script()
                             .send(chunked_head(200, {{"Content-Type", "text/plain"}}) + chunk("one\n"))
                             .gate("beaten")
                             .send(chunk("two\n") + std::string(last_chunk)));
    hangup_ = std::make_unique<Hangup>(fmt::format(R"(
listeners: [{{address: "127.0.0.1:0"}}]
upstreams: {{app: {{servers: ["{}"]}}}}
routes: [{{upstream: app, heartbeat: {{every: 100ms, kind: chunk}}}}]
)",
                                                   upstream.url()));
  }

  // A program that is not there is a fault of CI's, and elsewhere a reason to skip the test.
  static bool missing(std::string_view program, std::string_view package) {
    if (::access(std::string(program).c_str(), X_OK) == 0) return false;
    EXPECT_EQ(std::getenv("CI"), nullptr) << program << " is missing: install " << package;
    return true;
  }
  // Returns when a client of /work has had all of its eight heartbeats, and with it those that asked before.
  void let_them_beat() {
    Client later = hangup_->connect();
    later.send(get("/work"));
    later.read_raw_until("one\n\r\n00000000");
    upstream.open("beaten");
  }
  std::string output_of_node(const std::string& script) {
    Process client({std::string(nodejs), "-e", script, hangup_->url("/work")}, dir_ / "out", dir_ / "err");
    upstream.wait_for_request("/work");
    let_them_beat();
    const auto exit = client.wait();
    EXPECT_TRUE(exit && exit->status == 0) << read_file(dir_ / "err");
    return read_file(dir_ / "out");
  }
  // What a client gets that asks this proxy.
  void expect_unchanged_behind(const SocketAddress& proxy) {
    Client client(proxy);
    client.send(get("/work"));
    client.read_head();
    EXPECT_EQ(client.read_body(4).body, "one\n");
    let_them_beat();
    const Response response = client.finish();
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.body, "one\ntwo\n");
  }

  TempDir dir_;
  MockUpstream upstream;
  std::unique_ptr<Hangup> hangup_;
};

TEST_F(HeartbeatBeforeReal, NodesHttp) {
  if (missing(nodejs, "nodejs")) GTEST_SKIP() << "nodejs is not installed";
  EXPECT_EQ(output_of_node("require('http').get(process.argv[1], answer => answer.pipe(process.stdout))"),
            "one\ntwo\n");
}

TEST_F(HeartbeatBeforeReal, NodesFetch) {
  if (missing(nodejs, "nodejs")) GTEST_SKIP() << "nodejs is not installed";
  EXPECT_EQ(output_of_node("fetch(process.argv[1]).then(answer => answer.text())"
                           ".then(text => process.stdout.write(text))"),
            "one\ntwo\n");
}

TEST_F(HeartbeatBeforeReal, Nginx) {
  const std::string nginx = "/usr/sbin/nginx";
  if (missing(nginx, "nginx")) GTEST_SKIP() << "nginx is not installed";
  const SocketAddress where = address(own_host() + ":19110");
  const std::string dir = dir_.path().string();
  write_file(dir_ / "nginx.conf", fmt::format(R"(
daemon off; master_process off; pid {0}/pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {0}/1; proxy_temp_path {0}/2; fastcgi_temp_path {0}/3; uwsgi_temp_path {0}/4;
  scgi_temp_path {0}/5;
  server {{ listen {1}; location / {{ proxy_pass http://{2}; proxy_http_version 1.1; proxy_buffering off; }} }}
}}
)",
                                              dir, where.to_string(), hangup_->where().to_string()));
  Server server({nginx, "-p", dir, "-e", "stderr", "-c", dir + "/nginx.conf"}, "nginx");
  server.wait_until_ready(where, "/ready");
  expect_unchanged_behind(where);
}

TEST_F(HeartbeatBeforeReal, Haproxy) {
  const std::string haproxy = "/usr/sbin/haproxy";
  if (missing(haproxy, "haproxy")) GTEST_SKIP() << "haproxy is not installed";
  const SocketAddress where = address(own_host() + ":19111");
  write_file(dir_ / "haproxy.cfg", fmt::format(R"(
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend public
  bind {}
  default_backend hangup
backend hangup
  server hangup {}
)",
                                               where.to_string(), hangup_->where().to_string()));
  Server server({haproxy, "-db", "-f", (dir_ / "haproxy.cfg").string()}, "haproxy");
  server.wait_until_ready(where, "/ready");
  expect_unchanged_behind(where);
}

}  // namespace
}  // namespace hangup::test
