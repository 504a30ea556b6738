#include "downstream/refusals.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

namespace hangup::downstream {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How many more refused connections may be kept.
std::size_t refusals_left(ConnectionLimits& limits) {
  std::size_t left = 0;
  while (left <= ConnectionLimits::most_refusals && limits.begin_refusal()) ++left;
  return left;
}

class RefusalsTest : public testing::Test {
 protected:
  // A client that is refused; its end of the connection.
  net::Fd refuse() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    refusals_.refuse(nullptr, net::Fd(ends[0]), "no place");
    return net::Fd(ends[1]);
  }
  // After this turn of the loop and a whole one.
  void stop_soon() {
    loop_.post([this] { loop_.post([this] { loop_.stop(); }); });
  }

  net::EventLoop loop_;
  ConnectionLimits limits_{{}, 1};
  Refusals refusals_{loop_, limits_};
};

TEST_F(RefusalsTest, AClientThatClosesIsForgotten) {
  net::Fd client = refuse();
  char answer[256];
  const ssize_t size = ::read(client.get(), answer, sizeof answer);
  ASSERT_GT(size, 0);
  EXPECT_TRUE(std::string(answer, static_cast<std::size_t>(size)).starts_with("HTTP/1.1 503 "));
  loop_.post([&] {
    client = net::Fd();
    stop_soon();
  });
  loop_.run();
  EXPECT_EQ(refusals_left(limits_), ConnectionLimits::most_refusals);
}

TEST_F(RefusalsTest, AClientThatClosesAsItsTimeIsUpIsForgottenOnce) {
  net::Fd client = refuse();
  loop_.post([&] {
    // The loop finds both when it looks again.
    std::this_thread::sleep_until(std::chrono::steady_clock::now() + seconds(2) + milliseconds(20));
    client = net::Fd();
    stop_soon();
  });
  loop_.run();
  EXPECT_EQ(refusals_left(limits_), ConnectionLimits::most_refusals);
}

}  // namespace
}  // namespace hangup::downstream
