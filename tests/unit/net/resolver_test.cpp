#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include <hangup/net/event_loop.h>
#include <hangup/net/fd.h>
#include <hangup/net/resolver.h>

namespace hangup::net {
namespace {

using Addresses = std::vector<SocketAddress>;
using testing::StartsWith;

// A UDP socket on loopback in the place of a DNS server.
class FakeServer {
 public:
  FakeServer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    const timeval patience{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    name_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  const std::string& name() const { return name_; }

  // Answers one question of each kind: the address 192.0.2.1 when asked for A, nothing for AAAA; or that
  // there is no such name.
  void answer_two(bool exists) {
    for (int i = 0; i < 2; ++i) {
      unsigned char packet[512];
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const ssize_t length =
          ::recvfrom(socket_.get(), packet, sizeof packet - 16, 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (length < 17) return;
      std::size_t end = static_cast<std::size_t>(length);
      const bool wants_a = packet[end - 3] == 1;
      packet[2] = 0x81;
      packet[3] = exists ? 0x80 : 0x83;
      if (exists && wants_a) {
        packet[7] = 1;
        const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
        std::memcpy(packet + end, record, sizeof record);
        end += sizeof record;
      }
      ::sendto(socket_.get(), packet, end, 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }

 private:
  Fd socket_;
  std::string name_;
};

class ResolverTest : public testing::Test {
 protected:
  Result<Addresses> resolve(Resolver& resolver, const std::string& host) {
    std::optional<Result<Addresses>> answer;
    const auto lookup = resolver.resolve(host, 80, [&](Result<Addresses> result) {
      answer = std::move(result);
      loop.stop();
    });
    EXPECT_FALSE(answer) << "answered from inside";
    loop.run();
    return std::move(*answer);
  }

  EventLoop loop;
};

TEST_F(ResolverTest, ANumberNeedsNoServer) {
  Resolver resolver(loop);
  const auto v4 = resolve(resolver, "127.0.0.1");
  ASSERT_TRUE(v4) << v4.error().message;
  EXPECT_EQ(v4->at(0).to_string(), "127.0.0.1:80");
  const auto v6 = resolve(resolver, "::1");
  ASSERT_TRUE(v6) << v6.error().message;
  EXPECT_EQ(v6->at(0).to_string(), "[::1]:80");
}

TEST_F(ResolverTest, KnowsLocalhost) {
  Resolver resolver(loop);
  const auto addresses = resolve(resolver, "localhost");
  ASSERT_TRUE(addresses) << addresses.error().message;
  EXPECT_FALSE(addresses->empty());
}

TEST_F(ResolverTest, AsksTheServer) {
  FakeServer server;
  Resolver resolver(loop, server.name());
  std::jthread answering([&] { server.answer_two(true); });
  const auto addresses = resolve(resolver, "receiver.example");
  ASSERT_TRUE(addresses) << addresses.error().message;
  ASSERT_EQ(addresses->size(), 1U);
  EXPECT_EQ(addresses->at(0).to_string(), "192.0.2.1:80");
}

TEST_F(ResolverTest, SaysWhichNameDoesNotExist) {
  FakeServer server;
  Resolver resolver(loop, server.name());
  std::jthread answering([&] { server.answer_two(false); });
  const auto addresses = resolve(resolver, "nowhere.example");
  ASSERT_FALSE(addresses);
  EXPECT_THAT(addresses.error().message, StartsWith("cannot look up nowhere.example: "));
}

TEST_F(ResolverTest, ADroppedQuestionIsNeverAnswered) {
  FakeServer silent;
  {
    Resolver resolver(loop, silent.name());
    auto asked = resolver.resolve("receiver.example", 80, [](auto) { FAIL() << "answered"; });
    auto known = resolver.resolve("127.0.0.1", 80, [](auto) { FAIL() << "answered"; });
    asked.reset();
    known.reset();
    loop.stop();
    loop.run();
    auto another = resolver.resolve("receiver.example", 80, [](auto) { FAIL() << "answered"; });
  }
  loop.stop();
  loop.run();
}

TEST_F(ResolverTest, AQuestionMayBeDroppedByItsAnswer) {
  Resolver resolver(loop);
  std::unique_ptr<Resolver::Lookup> lookup;
  lookup = resolver.resolve("127.0.0.1", 80, [&](auto) {
    lookup.reset();
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(lookup, nullptr);
}

// In a process of its own, whose limit this is. Exits with 0 if all is as it should be.
[[noreturn]] void look_up_without_descriptors(const std::string& server) {
  EventLoop loop;
  Resolver resolver(loop, server);
  const auto ask = [&] {
    std::optional<Resolver::Addresses> answer;
    const auto lookup = resolver.resolve("receiver.example", 80, [&](Resolver::Addresses result) {
      answer = std::move(result);
      loop.stop();
    });
    loop.run();
    return std::move(*answer);
  };
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit none{0, limit.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  const auto failed = ask();
  if (failed || !failed.error().ours) ::_exit(1);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const auto found = ask();
  ::_exit(found && found->size() == 1 ? 0 : 2);
}

// The same, with the system's files.
[[noreturn]] void open_without_descriptors() {
  EventLoop loop;
  Resolver resolver(loop);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit none{0, limit.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  if (resolver.open()) ::_exit(1);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::_exit(resolver.open() ? 0 : 2);
}

int exit_code_of_child(const std::function<void()>& run) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    run();
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

TEST_F(ResolverTest, LooksUpNamesAgainOnceThereAreDescriptors) {
  FakeServer server;
  std::jthread answering([&] { server.answer_two(true); });
  EXPECT_EQ(exit_code_of_child([&] { look_up_without_descriptors(server.name()); }), 0);
}

TEST_F(ResolverTest, TakesNoSettingsForTheSystemsThatItCouldNotRead) {
  EXPECT_EQ(exit_code_of_child(open_without_descriptors), 0);
}

}  // namespace
}  // namespace hangup::net
