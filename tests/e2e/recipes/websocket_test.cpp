// Real WebSocket peers, python3-websockets, with hangup between them.
#include "e2e/recipes/recipe.h"
#include "e2e/recipes/server.h"
#include "support/receiver.h"
#include "support/wait.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

namespace hangup::test {
namespace {

const std::filesystem::path scripts = BACKENDS;
constexpr std::string_view python = "/usr/bin/python3";

class WebSocket : public ::testing::Test {
 protected:
  WebSocket() {
    server_.wait_until_ready(where_, "/state");
    hangup_ = std::make_unique<Hangup>(fmt::format(R"(
listeners: [{{address: "127.0.0.1:0"}}]
upstreams: {{chat: {{servers: ["http://{}"]}}}}
routes: [{{upstream: chat, on_disconnect: {{cleanup: {{url: "{}/left"}}}}}}]
)",
                                                   where_.to_string(), receiver.url()));
  }
  Process client(const std::string& what) {
    return Process({std::string(python), (scripts / "websocket_client.py").string(),
                    "ws://" + hangup_->where().to_string() + "/chat", what},
                   dir_ / "out", dir_ / "err");
  }
  void wait_until_talked() {
    eventually("the client to have talked", [&] { return read_file(dir_ / "out").contains("talked"); });
  }
  Json state() const { return Json::parse(ask(where_, get("/state")).body); }

  Receiver receiver;
  TempDir dir_;
  SocketAddress where_ = address(own_host() + ":19100");
  Server server_{{std::string(python), (scripts / "websocket_server.py").string(), where_.host(),
                  std::to_string(where_.port())},
                 "python3-websockets"};
  std::unique_ptr<Hangup> hangup_;
};

TEST_F(WebSocket, TalksThroughATunnelAndEndsByItsOwnHandshake) {
  Process talking = client("talk");
  const auto exit = talking.wait();
  EXPECT_TRUE(exit && exit->status == 0) << read_file(dir_ / "err");
  const Json exchange = hangup_->wait_for_exchange();
  EXPECT_EQ(exchange["outcome"], "completed");
  EXPECT_EQ(exchange["phase"], "tunnel");
  EXPECT_EQ(exchange["status"], 101);
  EXPECT_EQ(state().at("ends"), Json({1000}));
  hangup_->stop();
  EXPECT_TRUE(receiver.calls().empty());
}

TEST_F(WebSocket, IsAbortedWhenItsClientIsKilled) {
  Process holding = client("hold");
  wait_until_talked();
  EXPECT_EQ(state().at("open"), 1);
  holding.signal(SIGKILL);
  holding.wait();
  eventually("the server to have seen the end", [&] { return state().at("ends") == Json({1006}); });
  receiver.wait_for_call();
  const Json exchange = hangup_->wait_for_exchange();
  EXPECT_EQ(exchange["outcome"], "client_gone");
  EXPECT_EQ(exchange["phase"], "tunnel");
}

}  // namespace
}  // namespace hangup::test
