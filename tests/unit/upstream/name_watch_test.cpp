#include "upstream/name_watch.h"

#include "support/capturing_sink.h"
#include "support/fake_scheduler.h"
#include "upstream/shared_upstream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace hangup::upstream {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre, testing::IsEmpty;

class NameWatchTest : public testing::Test {
 protected:
  NameWatchTest() {
    auto config = std::make_shared<config::Upstream>();
    config->name = "app";
    config->servers.push_back({.url = "http://app.test",
                               .address = {},
                               .authority = "app.test",
                               .name = config::Name{"app.test", 80}});
    config->resolve = 30s;
    upstream.emplace(config);
    watch.emplace(
        scheduler, *upstream, 0,
        [this](const std::string& host, std::uint16_t port, net::Resolver::Done answer) {
          asked.push_back(host + ":" + std::to_string(port));
          done = std::move(answer);
          return nullptr;
        },
        [] { return 0.5; }, *log.logger, [this] { ++firsts; });
    watch->start();
  }
  void find(const std::vector<std::string>& addresses) {
    std::vector<SocketAddress> found;
    for (const std::string& each : addresses) found.push_back(*SocketAddress::parse(each + ":80"));
    done(std::move(found));
  }
  void fail() { done(std::unexpected(net::LookupError{{"cannot look up app.test: no"}, false})); }
  std::vector<std::string> known() const {
    std::vector<std::string> all;
    for (const SocketAddress& each : *upstream->addresses().all()[0]) all.push_back(each.host());
    return all;
  }

  test::FakeScheduler scheduler;
  test::CapturingLogger log;
  std::optional<SharedUpstream> upstream;
  std::vector<std::string> asked;
  net::Resolver::Done done;
  int firsts = 0;
  std::optional<NameWatch> watch;
};

TEST_F(NameWatchTest, LooksTheNameUpAtOnceAndAgainAfterTheTime) {
  EXPECT_THAT(asked, ElementsAre("app.test:80"));
  EXPECT_EQ(firsts, 0);
  find({"10.0.0.1"});
  EXPECT_EQ(firsts, 1);
  EXPECT_THAT(known(), ElementsAre("10.0.0.1"));
  scheduler.advance(30s - 1ms);
  EXPECT_EQ(asked.size(), 1U);
  scheduler.advance(1ms);
  EXPECT_EQ(asked.size(), 2U);
  find({"10.0.0.2", "10.0.0.3"});
  EXPECT_THAT(known(), ElementsAre("10.0.0.2", "10.0.0.3"));
  EXPECT_EQ(firsts, 1);
  EXPECT_THAT(log.messages(),
              ElementsAre("upstream=app server=http://app.test is at 10.0.0.2:80,10.0.0.3:80"));
}

TEST_F(NameWatchTest, KeepsWhatItKnowsWhileLookingUpFailsAndSaysSoOnce) {
  find({"10.0.0.1"});
  for (int i = 0; i < 3; ++i) {
    scheduler.advance(30s);
    fail();
  }
  EXPECT_THAT(known(), ElementsAre("10.0.0.1"));
  EXPECT_THAT(log.messages(),
              ElementsAre("upstream=app server=http://app.test: cannot look up app.test: no; the "
                          "addresses found before stay in use"));
  scheduler.advance(30s);
  find({"10.0.0.1"});
  EXPECT_EQ(log.messages().size(), 2U);
  EXPECT_EQ(upstream->state(scheduler.now()).servers[0].names_not_found, 3U);
  EXPECT_EQ(upstream->state(scheduler.now()).servers[0].names_found, 2U);
}

TEST_F(NameWatchTest, TriesAgainSoonWhileItKnowsNothing) {
  fail();
  EXPECT_EQ(firsts, 1);
  EXPECT_THAT(known(), IsEmpty());
  scheduler.advance(NameWatch::impatient);
  EXPECT_EQ(asked.size(), 2U);
  fail();
  scheduler.advance(NameWatch::impatient);
  EXPECT_EQ(asked.size(), 3U);
  find({"10.0.0.1"});
  scheduler.advance(30s - 1ms);
  EXPECT_EQ(asked.size(), 3U);
  EXPECT_THAT(
      log.messages(),
      ElementsAre("upstream=app server=http://app.test: cannot look up app.test: no; it is down until that "
                  "succeeds",
                  "upstream=app server=http://app.test is at 10.0.0.1:80"));
}

}  // namespace
}  // namespace hangup::upstream
