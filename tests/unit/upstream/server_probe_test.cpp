// Checks of a server, over real sockets.
#include "upstream/server_probe.h"

#include "support/certificates.h"
#include "support/mock_upstream.h"
#include "support/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace hangup::upstream {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr, testing::StartsWith;
using Verdict = CheckResult::Verdict;

class ServerProbeTest : public testing::Test {
 protected:
  ServerProbeTest() {
    config.health.emplace();
    config.health->path = "/healthz";
    config.servers.emplace_back();
    config.servers[0].authority = "app.test:80";
  }
  CheckResult check(const SocketAddress& at, std::shared_ptr<net::TlsPeer> peer = nullptr) {
    std::optional<CheckResult> result;
    auto guard = loop.make_timer([&] { loop.stop(); });
    guard->set(loop.now() + 20s);
    probe = start_probe(
        loop, {.upstream = config, .server = config.servers[0], .address = at, .peer = std::move(peer)},
        [&](CheckResult found) {
          EXPECT_FALSE(result) << "told twice";
          result = std::move(found);
          loop.stop();
        });
    EXPECT_FALSE(result) << "told from inside";
    loop.run();
    EXPECT_TRUE(result) << "never told";
    return result.value_or(CheckResult{});
  }
  // Goes on until the server has seen the check's connection close.
  void finish(const test::MockUpstream& server) {
    auto timer = loop.make_timer([] {});
    test::eventually("the check's connection to be closed", [&] {
      timer = loop.make_timer([this] { loop.stop(); });
      timer->set(loop.now() + 1ms);
      loop.run();
      return server.open_connections() == 0;
    });
  }

  net::EventLoop loop;
  config::Upstream config;
  std::unique_ptr<Probe> probe;
};

TEST_F(ServerProbeTest, PassesWithTheStatusThatIsAskedFor) {
  test::MockUpstream server;
  server.on("/healthz", test::respond(204));
  const CheckResult result = check(server.where());
  EXPECT_EQ(result.verdict, Verdict::passed) << result.reason;
  finish(server);
  const test::RequestRecord request = server.wait_for_request("/healthz");
  EXPECT_EQ(request.message.header("Host"), "app.test:80");
  EXPECT_EQ(server.connections().at(0).closed, std::optional(test::Closed::fin)) << "no reset";
}

TEST_F(ServerProbeTest, AsksAsItIsTold) {
  test::MockUpstream server;
  server.otherwise(test::respond(401));
  config.health->path = "/up?deep=1";
  config.health->method = "HEAD";
  config.health->host = "inner.test";
  config.health->status = {{200, 299}, {401, 401}};
  EXPECT_EQ(check(server.where()).verdict, Verdict::passed);
  const auto request = server.requests().at(0);
  EXPECT_EQ(request.message.header("Host"), "inner.test");
  EXPECT_EQ(request.message.method, "HEAD");
  EXPECT_EQ(request.message.target, "/up?deep=1");
}

TEST_F(ServerProbeTest, FailsWithAnyOtherStatus) {
  test::MockUpstream server;
  server.on("/healthz", test::respond(503));
  const CheckResult result = check(server.where());
  EXPECT_EQ(result.verdict, Verdict::failed);
  EXPECT_EQ(result.reason, "status 503");
}

TEST_F(ServerProbeTest, FailsWhenNothingListensThere) {
  const test::RefusingPort nobody;
  const CheckResult refused = check(nobody.where());
  EXPECT_EQ(refused.verdict, Verdict::failed);
  EXPECT_EQ(refused.reason, "cannot connect: Connection refused");
  const CheckResult absent = check(*SocketAddress::parse("unix:/tmp/hangup-test-nobody-is-here.sock"));
  EXPECT_EQ(absent.verdict, Verdict::failed);
  EXPECT_THAT(absent.reason, HasSubstr("No such file"));
}

// Its body is not read to its end, and nobody is told any more how it ends.
TEST_F(ServerProbeTest, SurvivesABodyThatIsTooLongAndThenBroken) {
  test::MockUpstream server;
  server.on("/healthz", test::Script().after_body().send(
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" +
                            std::string(0x11170, 'x') + "\r\nZZ\r\n"));
  EXPECT_EQ(check(server.where()).verdict, Verdict::passed);
  finish(server);
}

TEST_F(ServerProbeTest, FailsWhenTheAnswerIsNotHttpOrNone) {
  test::MockUpstream server;
  server.on("/healthz",
            test::in_turn({test::Script().after_body().send("SSH-2.0-x\r\n\r\n"), test::Script().close()}));
  EXPECT_THAT(check(server.where()).reason, StartsWith("the server's response is not HTTP"));
  EXPECT_EQ(check(server.where()).reason, "the server closed the connection without a response");
}

TEST_F(ServerProbeTest, TakesTheHeadForTheAnswerHoweverLongTheBodyIs) {
  test::MockUpstream server;
  server.on("/healthz", test::Script()
                            .after_body()
                            .send(test::chunked_head())
                            .send_endlessly(test::chunk(std::string(8192, 'x'))));
  EXPECT_EQ(check(server.where()).verdict, Verdict::passed);
  finish(server);
}

TEST_F(ServerProbeTest, OnlyConnectsWithoutAPath) {
  test::MockUpstream server;
  config.health->path.clear();
  EXPECT_EQ(check(server.where()).verdict, Verdict::passed);
  server.wait_for_closes(1);
  EXPECT_EQ(server.request_count(), 0U);
}

TEST_F(ServerProbeTest, ChecksOverUnixSockets) {
  const test::TempDir dir;
  test::MockUpstream server({.address = "unix:" + (dir / "app.sock").string()});
  server.on("/healthz", test::respond(200));
  EXPECT_EQ(check(server.where()).verdict, Verdict::passed);
}

TEST_F(ServerProbeTest, VerifiesTheServersCertificateAsRequestsDo) {
  const test::PemFiles files;
  const auto ca = test::make_identity("", nullptr);
  const auto identity = test::make_identity("DNS:app.test", &ca);
  test::MockUpstream server({.tls = test::make_server_context(identity)});
  server.on("/healthz", test::respond(200));
  const auto trusting =
      net::TlsClient::make({.ca = files.certificate(ca, "ca.pem"), .certificate = {}, .key = {}});
  ASSERT_TRUE(trusting) << trusting.error().message;
  const auto passed = check(server.where(), std::make_shared<net::TlsPeer>(*trusting, "app.test"));
  EXPECT_EQ(passed.verdict, Verdict::passed) << passed.reason;
  const auto failed = check(server.where(), std::make_shared<net::TlsPeer>(*trusting, "other.test"));
  EXPECT_EQ(failed.verdict, Verdict::failed);
  EXPECT_THAT(failed.reason, StartsWith("cannot connect: "));
}

TEST_F(ServerProbeTest, IsDroppedInSilence) {
  test::MockUpstream server;
  server.on("/healthz", test::never_answer());
  probe = start_probe(
      loop, {.upstream = config, .server = config.servers[0], .address = server.where(), .peer = nullptr},
      [](const CheckResult&) { FAIL() << "told"; });
  test::eventually("the check to be there", [&] {
    auto timer = loop.make_timer([this] { loop.stop(); });
    timer->set(loop.now() + 1ms);
    loop.run();
    return server.request_count() == 1;
  });
  probe.reset();
  server.wait_for_closes(1);
}

}  // namespace
}  // namespace hangup::upstream
