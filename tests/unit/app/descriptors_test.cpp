#include "app/descriptors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hangup::app {
namespace {

using testing::ElementsAre, testing::HasSubstr;

config::Config with(std::vector<std::size_t> connections, std::size_t servers, std::size_t max) {
  config::Config config;
  config.workers = 2;
  for (const std::size_t most : connections) {
    config.listeners.emplace_back();
    config.listeners.back().connections.max = most;
  }
  auto upstream = std::make_shared<config::Upstream>();
  upstream->servers.resize(servers);
  upstream->connections.max = max;
  upstream->connections.keepalive = 64;
  config.upstreams.push_back(upstream);
  return config;
}

TEST(Descriptors, AreEnoughForWhatTheConfigurationAllows) {
  const auto plan = plan_descriptors(with({20'000}, 2, 256), 65'536);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->connections, ElementsAre(20'000));
  EXPECT_GT(plan->needed, 20'512U);
  EXPECT_LT(plan->needed, 20'700U);
}

// There is never more than one connection to a server for each client's, beside those that are idle.
TEST(Descriptors, OfServersAreNoMoreThanClientsNeed) {
  const auto plan = plan_descriptors(with({1000}, 100, 256), 65'536);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->connections, ElementsAre(1000));
  EXPECT_LT(plan->needed, 1000U + 1000 + 6400 + 100);
}

// Of clients that have gone, as many again may be at work.
TEST(Descriptors, OfServersAreAllWhereRequestsOutliveTheirClients) {
  for (const bool finishes : {true, false}) {
    config::Config config = with({1000}, 100, 256);
    config.routes.emplace_back();
    config.routes.back().upstream = config.upstreams.front();
    config::OnDisconnect& policy = config.routes.back().on_disconnect;
    if (finishes) {
      policy.upstream = config::OnDisconnect::Upstream::finish;
    } else {
      policy.grace = std::chrono::seconds(1);
    }
    EXPECT_GE(plan_descriptors(config, 65'536)->needed, 1000U + 100 * 256);
    const auto fewer = plan_descriptors(config, 26'000);
    ASSERT_TRUE(fewer);
    EXPECT_LT(fewer->connections.front() + 100 * 256, 26'000U);
  }
}

TEST(Descriptors, ThatAreTooFewLeaveFewerConnectionsForClientsAndEnoughForTheirRequests) {
  const auto plan = plan_descriptors(with({20'000}, 1, 256), 4096);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->connections.size(), 1U);
  EXPECT_GT(plan->connections.front(), 3600U);
  EXPECT_LT(plan->connections.front() + 256, 4096U);
}

TEST(Descriptors, ThatAreTooFewForAllServersAreSharedByClientsAndServers) {
  const auto plan = plan_descriptors(with({20'000}, 1, 100'000), 4096);
  ASSERT_TRUE(plan);
  EXPECT_GT(plan->connections.front(), 1800U);
  EXPECT_LT(2 * plan->connections.front(), 4096U);
}

TEST(Descriptors, ThatAreTooFewAreSharedByListeners) {
  const auto plan = plan_descriptors(with({30'000, 10'000}, 1, 256), 4096);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->connections.size(), 2U);
  EXPECT_NEAR(static_cast<double>(plan->connections[0]), 3.0 * static_cast<double>(plan->connections[1]), 3);
}

TEST(Descriptors, ThatLeaveNoneForClientsAreAnError) {
  const auto plan = plan_descriptors(with({20'000}, 1, 256), 64);
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("limit on open files is 64"));
  EXPECT_THAT(plan.error().message, HasSubstr("LimitNOFILE="));
}

TEST(Descriptors, OfASmallConfigurationNeedFew) {
  const auto plan = plan_descriptors(with({2}, 1, 4), 256);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->connections, ElementsAre(2));
}

}  // namespace
}  // namespace hangup::app
