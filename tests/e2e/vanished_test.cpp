// Clients that vanish without a sign, as when a cable is pulled: in a network of the test's own, which is
// switched off.
#include "e2e/fixture.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

namespace hangup::test {
namespace {

// A network with a loopback interface and nothing else, for this process and what it starts; each test is a
// process. To be made before any thread.
class OwnNetwork {
 public:
  OwnNetwork() : permitted_(::unshare(CLONE_NEWNET) == 0) {
    if (permitted_) switch_on(true);
  }
  bool permitted() const { return permitted_; }
  static void switch_on(bool on) {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", IFNAMSIZ);
    request.ifr_flags = static_cast<short>(on ? IFF_UP : 0);
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) throw_errno("switching the loopback interface");
  }

 private:
  bool permitted_;
};

struct WithOwnNetwork {
  OwnNetwork network;
};

// The upstream is at a UNIX socket, which needs no network.
class Vanished : private WithOwnNetwork, public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network.permitted()) GTEST_SKIP() << "making a network namespace is not permitted here";
    upstream = std::make_unique<MockUpstream>(
        MockUpstream::Options{.address = "unix:" + (dir_ / "upstream.sock").string()});
    hangup = std::make_unique<Hangup>(R"(
listeners: [{address: "127.0.0.1:0", dead_peer: 2s, timeouts: {write_idle: 60s}}]
upstreams: {backend: {servers: [")" + upstream->url() +
                                      R"("]}}
routes: [{upstream: backend, on_disconnect: {cleanup: {url: "http://127.0.0.1:1/stop"}}}]
shutdown: {drain: 1s}
)");
  }
  static void pull_the_cable() { OwnNetwork::switch_on(false); }
  void expect_found(const RequestRecord& request, std::string_view phase) {
    upstream->wait_for_close(request);
    const Json exchange = hangup->wait_for_exchange();
    EXPECT_EQ(exchange["outcome"], "client_gone");
    EXPECT_EQ(exchange["phase"], phase);
    EXPECT_EQ(exchange.at("cleanup").size(), 1U);
  }

  TempDir dir_;
  std::unique_ptr<MockUpstream> upstream;
  std::unique_ptr<Hangup> hangup;
};

TEST_F(Vanished, WhileItWaitsForTheHead) {
  upstream->on("/work", never_answer());
  Client client = hangup->connect();
  client.send(get("/work"));
  const RequestRecord request = upstream->wait_for_request("/work");
  pull_the_cable();
  expect_found(request, "awaiting_response");
}

TEST_F(Vanished, WhileItGetsAStreamSlowly) {
  upstream->on("/work", Script().send(chunked_head() + chunk("one")));
  Client client = hangup->connect();
  client.send(get("/work"));
  client.read_head();
  client.read_body(3);
  const RequestRecord request = upstream->wait_for_request("/work");
  pull_the_cable();
  upstream->send(request, chunk("two"));  // the kernel takes it, and it never arrives
  expect_found(request, "streaming_response");
}

TEST_F(Vanished, InTheMiddleOfATransfer) {
  upstream->on("/work", Script().send(chunked_head()).send_endlessly(chunk(std::string(64 * 1024, 'x'))));
  Client client = hangup->connect({.receive = 4096});
  client.send(get("/work"));
  client.read_head();
  const RequestRecord request = upstream->wait_for_request("/work");
  wait_until_blocked(*upstream, request);
  pull_the_cable();
  expect_found(request, "streaming_response");
}

TEST_F(Vanished, WhileItSendsItsBody) {
  upstream->on("/work", never_answer());
  Client client = hangup->connect();
  client.send("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
  const RequestRecord request = upstream->wait_for_request("/work");
  pull_the_cable();
  expect_found(request, "sending_request");
}

TEST_F(Vanished, IsNotSaidOfAClientThatOnlyTakesNothingForAWhile) {
  upstream->on("/work", Script().send("HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" +
                                      std::string(8'000'000, 'x')));
  Client client = hangup->connect({.receive = 4096});
  client.send(get("/work"));
  const RequestRecord request = upstream->wait_for_request("/work");
  wait_until_blocked(*upstream, request);
  std::this_thread::sleep_for(5s);  // more than twice dead_peer: what is to be seen is that nothing happens
  const Response response = client.read_response();
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.body_bytes, 8'000'000U);
  EXPECT_EQ(hangup->wait_for_exchange()["outcome"], "completed");
}

}  // namespace
}  // namespace hangup::test
