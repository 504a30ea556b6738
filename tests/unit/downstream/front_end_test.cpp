#include "downstream/answerer.h"
#include "support/client.h"
#include "support/wait.h"

#include <gtest/gtest.h>
#include <spdlog/logger.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <hangup/downstream/front_end.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/socket.h>

namespace hangup::downstream {
namespace {

using test::Client;
using WhenFull = config::Listener::Connections::WhenFull;

constexpr std::string_view request = "GET /answered HTTP/1.1\r\nHost: a\r\n\r\n";

// Answers each request but those for /never.
class Answering final : public Answerer {
  void on_request(ClientStream& stream, http::RequestHead head) override {
    if (head.target == "/never") return stream.attach(*this);
    Answerer::on_request(stream, std::move(head));
  }
};

// Its loop turns when the test says so: who connects before waits in the kernel's queue.
class FrontEndThatDrains : public testing::Test {
 protected:
  FrontEndThatDrains() { start({}); }
  ~FrontEndThatDrains() override { stop_turning(); }
  void start(config::Listener::Connections connections) {
    front_end_.reset();
    auto listener = std::make_shared<config::Listener>();
    listener->connections = connections;
    net::Fd listening = net::listen_on(*SocketAddress::parse("127.0.0.1:0"), {}).value();
    address_ = net::local_address(listening).value();
    shared_.emplace(*listener, connections.max, log_);
    front_end_ = make_front_end(loop_, std::move(listening), *shared_, {listener, nullptr, sink_});
  }
  void turn() {
    loop_.at_end_of_turn([this] { connections_ = front_end_->connections(); });
    turning_ = std::thread([this] { loop_.run(); });
  }
  void stop_turning() {
    if (!turning_.joinable()) return;
    loop_.stop();
    turning_.join();
  }
  void turn_until_there_are(std::size_t connections) {
    test::eventually(std::to_string(connections) + " connections",
                     [&] { return connections_ == connections; });
  }

  net::EventLoop loop_;
  spdlog::logger log_{"nobody"};
  Answering sink_;
  std::optional<SharedListener> shared_;
  std::unique_ptr<FrontEnd> front_end_;
  SocketAddress address_;
  std::thread turning_;
  std::atomic<std::size_t> connections_ = 0;
};

TEST_F(FrontEndThatDrains, AnswersThoseWhoHadConnectedButNotBeenAccepted) {
  Client first(address_), second(address_);
  first.send(request);
  second.send(request);
  front_end_->drain();
  EXPECT_NE(front_end_->awaited(), 0U);
  turn();
  for (Client* client : {&first, &second}) {
    EXPECT_EQ(client->read_response().status, 204);
    EXPECT_EQ(client->wait_for_close(), test::Closed::fin);
  }
  turn_until_there_are(0);
  EXPECT_ANY_THROW(Client{address_}) << "it still listens";
}

TEST_F(FrontEndThatDrains, AnswersThoseWhoWaitForAPlaceOnceThereIsOne) {
  start({.max = 1, .when_full = WhenFull::wait});
  Client first(address_), second(address_), third(address_);
  for (Client* client : {&first, &second, &third}) client->send(request);
  front_end_->drain();
  turn();
  for (Client* client : {&first, &second, &third}) EXPECT_EQ(client->read_response().status, 204);
}

TEST_F(FrontEndThatDrains, LeavesThoseForWhomThereIsNoPlaceAfterASecond) {
  start({.max = 1, .when_full = WhenFull::wait});
  Client first(address_);
  first.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
  Client second(address_);
  second.send(request);
  const MonoTime before = loop_.now();
  front_end_->drain();
  turn();
  EXPECT_EQ(second.read_to_close(), "");
  EXPECT_GE(loop_.now() - before, std::chrono::milliseconds(900));
  turn_until_there_are(1);
}

}  // namespace
}  // namespace hangup::downstream
