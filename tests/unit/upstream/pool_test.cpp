// Several workers' pools of one upstream, here of one loop, in front of real servers.
#include "support/mock_upstream.h"
#include "upstream/shared_upstream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hangup/net/event_loop.h>

namespace hangup::upstream {
namespace {

using namespace std::chrono_literals;

// A request, and what came of it.
class Asker final : public ServerObserver {
 public:
  Asker(Upstream& upstream, std::string target, Tries tries = {})
      : target_(std::move(target)),
        tries_(std::move(tries)),
        request_(upstream.request(*this, tries_, {.method = "GET"})) {
    request_->start();
  }
  bool waits() const { return queued_ && !connected_; }
  bool answered() const { return done_; }
  const std::string& body() const { return body_; }
  const std::string& failure() const { return failure_; }

 private:
  void on_queued() override { queued_ = true; }
  void on_connecting(const config::Server&) override {}
  void on_connected(const config::Server&) override {
    connected_ = true;
    const http::Field host{"Host", "app.test"};
    request_->send_head(
        {.method = "GET", .target = target_, .fields = {&host, 1}, .body = http::Framing::no_body()});
  }
  void on_request_drained() override {}
  void on_interim(const http::ResponseHead&) override {}
  void on_response_head(http::ResponseHead) override {}
  void on_response_body(std::string_view data, bool last, const http::Fields&) override {
    body_ += data;
    done_ = done_ || last;
  }
  void on_failed(const Failure& failure) override { failure_ = failure.message; }

  const std::string target_;
  Tries tries_;
  bool queued_ = false;
  bool connected_ = false;
  bool done_ = false;
  std::string body_;
  std::string failure_;
  std::unique_ptr<ServerRequest> request_;
};

class PoolTest : public testing::Test {
 protected:
  void use(const std::vector<const test::MockUpstream*>& servers) {
    config->connections.max = 1;
    for (const test::MockUpstream* each : servers) {
      config->servers.emplace_back();
      config->servers.back().url = each->url();
      config->servers.back().address = each->where();
    }
    shared = *make_shared_upstream(config);
    for (auto& pool : pools) pool = make_upstream(loop, shared);
  }
  template <typename Condition>
  void run_until(const char* what, Condition condition) {
    std::unique_ptr<Timer> timer;
    test::eventually(what, [&] {
      timer = loop.make_timer([this] { loop.stop(); });
      timer->set(loop.now() + 1ms);
      loop.run();
      return condition();
    });
  }

  net::EventLoop loop;
  std::shared_ptr<config::Upstream> config = std::make_shared<config::Upstream>();
  test::MockUpstream server;
  std::shared_ptr<SharedUpstream> shared;
  std::array<std::unique_ptr<Upstream>, 2> pools;
};

TEST_F(PoolTest, GivesBackWhatItKeepsWhenItGoes) {
  use({&server});
  const Asker first(*pools[0], "/a");
  run_until("the answer", [&] { return first.answered(); });
  EXPECT_EQ(state_of(*shared).servers[0].idle, 1U);
  pools[0].reset();
  EXPECT_EQ(state_of(*shared).servers[0].idle, 0U);
  EXPECT_EQ(state_of(*shared).servers[0].connections, 0U);
  const Asker second(*pools[1], "/b");
  run_until("the answer", [&] { return second.answered(); });
}

TEST_F(PoolTest, ThatHasGoneIsNotWoken) {
  server.on("/work",
            test::Script().gate("go").send(test::response(200, "done", {{"Connection", "close"}})).close());
  use({&server});
  const Asker working(*pools[1], "/work");
  const Asker waiting(*pools[1], "/next");
  EXPECT_TRUE(waiting.waits());
  pools[0].reset();
  server.open("go");
  run_until("the answers", [&] { return working.answered() && waiting.answered(); });
}

TEST_F(PoolTest, LetsThoseOfOtherWorkersHaveTheirTurn) {
  use({&server});
  std::vector<std::unique_ptr<Asker>> many;
  for (int i = 0; i < 20; ++i) many.push_back(std::make_unique<Asker>(*pools[0], "/many"));
  const Asker other(*pools[1], "/other");
  EXPECT_TRUE(other.waits());
  run_until("all answers", [&] { return other.answered() && std::ranges::all_of(many, &Asker::answered); });
  const auto requests = server.requests();
  const auto turn =
      std::ranges::find(requests, "/other", [](const auto& each) { return each.message.target; });
  EXPECT_LT(turn - requests.begin(), 5);
}

TEST_F(PoolTest, ARequestThatCanNotUseWhatIsFreeHoldsUpNobody) {
  test::MockUpstream other;
  other.otherwise(test::never_answer());
  server.on("/work", test::Script().gate("go").send(test::response(200, "done")));
  use({&server, &other});
  const Tries not_the_first{.failed = {Tries::for_good, 0}};
  const Asker hangs(*pools[0], "/hangs", not_the_first);
  const Asker works(*pools[0], "/work");
  const Asker only_other(*pools[0], "/only-other", not_the_first);
  const Asker any(*pools[0], "/any");
  EXPECT_TRUE(only_other.waits());
  EXPECT_TRUE(any.waits());
  server.open("go");
  run_until("the answers", [&] { return works.answered() && any.answered(); });
  EXPECT_TRUE(only_other.waits());
}

TEST_F(PoolTest, ThoseWhoWaitGoToAServerThatComesUp) {
  test::MockUpstream other;
  other.otherwise(test::never_answer());
  config->health.emplace();
  config->health->unhealthy = config->health->healthy = 1;
  use({&server, &other});
  shared->checked(0, false, loop.now());
  const Asker hangs(*pools[0], "/hangs");
  const Asker waits(*pools[0], "/waits");
  EXPECT_TRUE(waits.waits());
  run_until("the request to hang", [&] { return other.request_count() == 1; });
  EXPECT_TRUE(waits.waits());
  shared->checked(0, true, loop.now());
  run_until("the answer", [&] { return waits.answered(); });
}

TEST_F(PoolTest, WhatAServerSendsUnaskedIsNobodysAnswer) {
  use({&server});
  const Asker first(*pools[0], "/a");
  run_until("the answer", [&] { return first.answered(); });
  // In one turn of the loop, the request comes first.
  std::optional<Asker> second;
  loop.post([&] { second.emplace(*pools[0], "/b"); });
  const std::uint64_t before = server.connections()[0].sent;
  server.send(server.requests()[0], test::response(200, "of nobody"));
  test::eventually("it to have come", [&] { return server.connections()[0].sent > before; });
  run_until("the end of it", [&] { return second->answered() || !second->failure().empty(); });
  EXPECT_EQ(second->body(), "");
  EXPECT_EQ(second->failure(), "the server sent something that it was not asked for");
}

}  // namespace
}  // namespace hangup::upstream
