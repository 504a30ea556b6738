#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <hangup/net/event_loop.h>
#include <hangup/net/send_queue.h>
#include <hangup/net/socket.h>
#include <hangup/net/transport.h>

namespace hangup::net {
namespace {

using Status = IoResult::Status;

// A connected pair over TCP: ours is a Transport, the peer's a blocking socket.
class TransportTest : public testing::Test, public Transport::Handler {
 protected:
  TransportTest() {
    const Fd listening = *listen_on(*SocketAddress::parse("127.0.0.1:0"), {});
    const SocketAddress address = *local_address(listening);
    peer = Fd(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(peer.get(), address.data(), address.size()), 0);
    Fd ours;
    while (!ours) ours = Fd(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK));
    transport.emplace(loop, std::move(ours), *this);
    turn_until([&] { return seen.writable; });
  }

  void on_ready(Readiness ready) override {
    seen.readable |= ready.readable;
    seen.writable |= ready.writable;
    seen.fin |= ready.fin;
    ++calls;
    if (on_each_call) on_each_call();
    loop.stop();
  }
  void turn_until(const std::function<bool()>& reached) {
    const auto give_up = loop.make_timer([&] {
      ADD_FAILURE() << "waited in vain";
      abandoned = true;
      loop.stop();
    });
    give_up->set(loop.now() + std::chrono::seconds(10));
    while (!reached() && !abandoned) loop.run();
  }
  void reset_by_peer() {
    const linger now{1, 0};
    ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer.reset();
  }

  EventLoop loop;
  Fd peer;
  std::optional<Transport> transport;
  Readiness seen;
  int calls = 0;
  std::function<void()> on_each_call;
  bool abandoned = false;
  char buffer[4096] = {};
};

TEST_F(TransportTest, DataAndFinArriveInOneWatch) {
  ASSERT_EQ(::send(peer.get(), "hello", 5, 0), 5);
  turn_until([&] { return seen.readable; });
  EXPECT_EQ(transport->read(buffer).bytes, 5U);
  EXPECT_EQ(transport->read(buffer).status, Status::would_block);
  EXPECT_EQ(transport->peer_state(), PeerState::open);
  ::shutdown(peer.get(), SHUT_WR);
  turn_until([&] { return seen.fin; });
  EXPECT_EQ(transport->peer_state(), PeerState::half_closed);
  EXPECT_EQ(transport->read(buffer).status, Status::end);
}

// Else a client that sends without end has the loop for itself.
TEST_F(TransportTest, WhoAsksForAnotherLookInEachOfItsTurnsLeavesTheLoopToOthersToo) {
  const int first = calls + 1;
  std::optional<int> calls_before;
  on_each_call = [&] {
    if (calls == first) loop.post([&] { calls_before = calls; });
    if (calls < 1000) transport->poke();
  };
  transport->poke();
  turn_until([&] { return calls_before.has_value(); });
  EXPECT_LE(*calls_before, first + 1);
}

TEST_F(TransportTest, MayCloseOrBeGivenUpWhileItWaitsForAnotherLook) {
  const int before = calls;
  transport->poke();
  transport->close();
  bool turned = false;
  loop.post([&] { turned = true, loop.stop(); });
  turn_until([&] { return turned; });
  EXPECT_EQ(calls, before);
}

TEST_F(TransportTest, AFinShowsAlthoughDataBeforeItIsNotRead) {
  ASSERT_EQ(::send(peer.get(), "hello", 5, 0), 5);
  turn_until([&] { return seen.readable; });
  peer.reset();
  turn_until([&] { return seen.fin; });
}

TEST_F(TransportTest, AResetShowsAlthoughDataBeforeItIsNotRead) {
  ASSERT_EQ(::send(peer.get(), "hello", 5, 0), 5);
  turn_until([&] { return seen.readable; });
  const int before = calls;
  reset_by_peer();
  turn_until([&] { return calls > before; });
  EXPECT_EQ(transport->peer_state(), PeerState::gone);
}

TEST_F(TransportTest, AResetAfterAFinThatWasReadShows) {
  ::shutdown(peer.get(), SHUT_WR);
  turn_until([&] { return seen.fin; });
  EXPECT_EQ(transport->read(buffer).status, Status::end);
  const int before = calls;
  reset_by_peer();
  turn_until([&] { return calls > before; });
  EXPECT_EQ(transport->peer_state(), PeerState::gone);
}

TEST_F(TransportTest, APokeCallsWithNothingReady) {
  seen = {};
  const int before = calls;
  transport->poke();
  turn_until([&] { return calls > before; });
  EXPECT_FALSE(seen.readable || seen.writable || seen.fin);
}

TEST_F(TransportTest, AResetIsSeenByThePeerBeforeTheClose) {
  transport->reset();
  EXPECT_EQ(::recv(peer.get(), buffer, sizeof buffer, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(TransportTest, WhatTheSocketDoesNotTakeIsQueuedAndSentInOrder) {
  SendQueue queue(loop);
  std::string sent;
  std::string received;
  // Fill the socket until something stays behind.
  for (char letter = 'a'; queue.empty(); letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1)) {
    const std::string piece(100'000, letter);
    queue.tail() += "<";
    queue.write(*transport, piece, ">");
    sent += "<" + piece + ">";
  }
  std::vector<char> bytes(1 << 20);
  while (received.size() < sent.size()) {
    const ssize_t count = ::recv(peer.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) received.append(bytes.data(), static_cast<std::size_t>(count));
    if (!queue.empty()) {
      ASSERT_NE(queue.write(*transport).status, Status::failed);
    }
  }
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(received, sent);
}

TEST_F(TransportTest, WritingToAPeerThatIsGoneFailsWithoutASignal) {
  reset_by_peer();
  turn_until([&] { return transport->peer_state() == PeerState::gone; });
  SendQueue queue(loop);
  EXPECT_EQ(queue.write(*transport, "x").status, Status::failed);
}

TEST(Listening, NamesTheAddressThatIsInUse) {
  const Fd first = *listen_on(*SocketAddress::parse("127.0.0.1:0"), {});
  const auto second = listen_on(*local_address(first), {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(local_address(first)->to_string()), std::string::npos);
  EXPECT_NE(second.error().message.find("Address already in use; another socket listens there"),
            std::string::npos);
}

// As when the kernel's room for watched descriptors is used up; a file is one that it can't watch.
TEST(UnwatchedTransport, TellsItsHandlerAndFails) {
  class Handler final : public Transport::Handler {
   public:
    explicit Handler(EventLoop& its_loop) : loop_(its_loop) {}
    void on_ready(Readiness) override { loop_.stop(); }

   private:
    EventLoop& loop_;
  };
  EventLoop loop;
  Handler handler(loop);
  Transport transport(loop, Fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), handler);
  loop.run();
  char byte = 0;
  const iovec piece{&byte, 1};
  EXPECT_EQ(transport.read({&byte, 1}).status, Status::failed);
  EXPECT_EQ(transport.write({&piece, 1}).status, Status::failed);
  EXPECT_EQ(transport.peer_state(), PeerState::gone);
  EXPECT_EQ(transport.take_error(), EPERM);
}

}  // namespace
}  // namespace hangup::net
