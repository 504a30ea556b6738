#include "upstream/server_health.h"

#include "upstream/shared_upstream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace hangup::upstream {
namespace {

using namespace std::chrono_literals;

config::HealthCheck three_and_two() {
  config::HealthCheck config;
  config.unhealthy = 3;
  config.healthy = 2;
  return config;
}

// The state after each of these checks, p passed and f failed.
std::string states_after(CheckedServer& server, const std::string& checks) {
  std::string states;
  for (const char check : checks) {
    server.checked(check == 'p', three_and_two());
    states += server.is_up() ? 'u' : 'd';
  }
  return states;
}

TEST(CheckedServer, IsUpBeforeItsFirstCheck) {
  EXPECT_TRUE(CheckedServer().is_up());
}

TEST(CheckedServer, IsWhatTheFirstCheckSays) {
  CheckedServer good;
  EXPECT_EQ(states_after(good, "p"), "u");
  CheckedServer bad;
  EXPECT_EQ(states_after(bad, "f"), "d");
}

TEST(CheckedServer, TakesSeveralFailuresInARowToGoDown) {
  CheckedServer server;
  EXPECT_EQ(states_after(server, "pffpfffp"), "uuuuuudd");
}

TEST(CheckedServer, TakesSeveralPassesInARowToComeUp) {
  CheckedServer server;
  EXPECT_EQ(states_after(server, "fpfppf"), "dddduu");
}

TEST(CheckedServer, TellsChangesAndCountsChecks) {
  CheckedServer server;
  EXPECT_FALSE(server.checked(true, three_and_two()));
  EXPECT_FALSE(server.checked(false, three_and_two()));
  EXPECT_FALSE(server.checked(false, three_and_two()));
  EXPECT_TRUE(server.checked(false, three_and_two()));
  EXPECT_FALSE(server.checked(false, three_and_two()));
  EXPECT_EQ(server.passes(), 1U);
  EXPECT_EQ(server.failures(), 4U);
}

class OutliersTest : public testing::Test {
 protected:
  static config::Outlier config(unsigned failures, unsigned percent = 50) {
    return {.failures = failures, .eject = 10s, .max_ejected_percent = percent};
  }
  void fail(Outliers& outliers, std::size_t server, int times) {
    for (int i = 0; i < times; ++i) outliers.failed(server, now);
  }

  MonoTime now{std::chrono::hours(1)};
};

TEST_F(OutliersTest, EjectsAfterSoManyFailuresInARow) {
  Outliers outliers(config(3), 2);
  EXPECT_FALSE(outliers.failed(0, now));
  EXPECT_FALSE(outliers.failed(0, now));
  const auto ejection = outliers.failed(0, now);
  ASSERT_TRUE(ejection);
  EXPECT_EQ(ejection->end, now + 10s);
  EXPECT_TRUE(outliers.is_ejected(0, now));
  EXPECT_FALSE(outliers.is_ejected(1, now));
  EXPECT_TRUE(outliers.is_ejected(0, now + 10s - 1ns));
  EXPECT_FALSE(outliers.is_ejected(0, now + 10s));
  EXPECT_EQ(outliers.ejections(0), 1U);
}

TEST_F(OutliersTest, BeginsToCountAgainWithASuccess) {
  Outliers outliers(config(3), 2);
  fail(outliers, 0, 2);
  outliers.succeeded(0, now);
  fail(outliers, 0, 2);
  EXPECT_FALSE(outliers.is_ejected(0, now));
}

TEST_F(OutliersTest, EjectsForLongerEachTimeUntilASuccess) {
  Outliers outliers(config(1), 2);
  EXPECT_EQ(outliers.failed(0, now)->length, 10s);
  now += 10s;
  EXPECT_EQ(outliers.failed(0, now)->length, 20s);
  now += 20s;
  EXPECT_EQ(outliers.failed(0, now)->length, 30s);
  now += 30s;
  outliers.succeeded(0, now);
  EXPECT_EQ(outliers.failed(0, now)->length, 10s);
}

TEST_F(OutliersTest, EjectsForFiveMinutesAtMost) {
  Outliers outliers(config(1), 2);
  Duration length{};
  for (int i = 0; i < 40; ++i) {
    length = outliers.failed(0, now)->length;
    now += length;
  }
  EXPECT_EQ(length, 5min);
}

TEST_F(OutliersTest, HeedsNothingWhileTheServerIsEjected) {
  Outliers outliers(config(1), 2);
  fail(outliers, 0, 5);
  outliers.succeeded(0, now);
  now += 10s;
  EXPECT_EQ(outliers.failed(0, now)->length, 20s) << "the late success does not count";
  EXPECT_EQ(outliers.ejections(0), 2U);
}

TEST_F(OutliersTest, EjectsNoMoreThanTheShareAtATime) {
  Outliers outliers(config(1), 4);
  for (std::size_t server = 0; server < 4; ++server) fail(outliers, server, 3);
  EXPECT_TRUE(outliers.is_ejected(0, now));
  EXPECT_TRUE(outliers.is_ejected(1, now));
  EXPECT_FALSE(outliers.is_ejected(2, now));
  EXPECT_FALSE(outliers.is_ejected(3, now));
  now += 10s;
  fail(outliers, 2, 1);
  EXPECT_TRUE(outliers.is_ejected(2, now)) << "once the others are back";
}

TEST_F(OutliersTest, NeverEjectsTheOnlyServerUnlessAllMayBe) {
  Outliers half(config(1), 1);
  fail(half, 0, 10);
  EXPECT_FALSE(half.is_ejected(0, now));
  Outliers all(config(1, 100), 1);
  fail(all, 0, 1);
  EXPECT_TRUE(all.is_ejected(0, now));
}

// ---- All signs together

std::shared_ptr<config::Upstream> two_servers() {
  auto upstream = std::make_shared<config::Upstream>();
  upstream->name = "app";
  for (const char* address : {"127.0.0.1:1", "127.0.0.1:2"})
    upstream->servers.push_back(
        {.url = address, .address = *SocketAddress::parse(address), .authority = address});
  return upstream;
}

class SharedUpstreamHealth : public testing::Test {
 protected:
  MonoTime now{std::chrono::hours(1)};
};

TEST_F(SharedUpstreamHealth, AServerIsDownWhileItFailsItsChecks) {
  auto config = two_servers();
  config->health = three_and_two();
  SharedUpstream upstream(config);
  EXPECT_TRUE(upstream.checked(0, false, now));
  EXPECT_FALSE(upstream.is_up(0, now));
  EXPECT_TRUE(upstream.is_up(1, now));
  upstream.connected(0, now);
  EXPECT_FALSE(upstream.is_up(0, now)) << "that it can be connected to is not enough";
  EXPECT_FALSE(upstream.checked(0, true, now));
  EXPECT_TRUE(upstream.checked(0, true, now));
  EXPECT_TRUE(upstream.is_up(0, now));
}

TEST_F(SharedUpstreamHealth, APassedCheckEndsWhatAFailedConnectionSaid) {
  auto config = two_servers();
  config->health = three_and_two();
  SharedUpstream upstream(config);
  upstream.unreachable(0, now, "refused");
  EXPECT_FALSE(upstream.is_up(0, now));
  upstream.checked(0, true, now);
  EXPECT_TRUE(upstream.is_up(0, now));
}

TEST_F(SharedUpstreamHealth, AnswersOfABrokenServerEjectItAndOtherAnswersDoNot) {
  auto config = two_servers();
  config->outlier = config::Outlier{.failures = 2};
  SharedUpstream upstream(config);
  std::vector<std::string> told;
  upstream.on_ejected([&](std::size_t server, const Outliers::Ejection&, std::string_view why) {
    told.push_back(std::to_string(server) + ": " + std::string(why));
  });
  for (const int status : {500, 404, 505, 501}) upstream.answered(0, status, now);
  EXPECT_TRUE(upstream.is_up(0, now));
  upstream.answered(0, 502, now);
  upstream.answered(0, 200, now);
  upstream.answered(0, 503, now);
  EXPECT_TRUE(upstream.is_up(0, now));
  upstream.answered(0, 504, now);
  EXPECT_FALSE(upstream.is_up(0, now));
  EXPECT_EQ(told, std::vector<std::string>{"0: status 504"});
  EXPECT_TRUE(upstream.is_up(0, now + 10s));
}

TEST_F(SharedUpstreamHealth, FailedConnectionsEject) {
  auto config = two_servers();
  config->outlier = config::Outlier{.failures = 2, .eject = 1min};
  SharedUpstream upstream(config);
  upstream.unreachable(0, now, "refused");
  EXPECT_FALSE(upstream.is_ejected(0, now));
  upstream.unreachable(0, now, "refused");
  EXPECT_TRUE(upstream.is_ejected(0, now));
  EXPECT_FALSE(upstream.is_up(0, now + SharedUpstream::down_for));
}

TEST_F(SharedUpstreamHealth, NothingEjectsUnlessItIsAskedFor) {
  SharedUpstream upstream(two_servers());
  for (int i = 0; i < 100; ++i) {
    upstream.answered(0, 503, now);
    upstream.failed(0, now, "reset");
  }
  EXPECT_TRUE(upstream.is_up(0, now));
}

TEST_F(SharedUpstreamHealth, AServerWhoseNameWasNeverFoundIsDown) {
  auto config = two_servers();
  config->servers[0].name = config::Name{"app.test", 80};
  SharedUpstream upstream(config);
  EXPECT_FALSE(upstream.is_up(0, now));
  EXPECT_TRUE(upstream.use_addresses(0, {*SocketAddress::parse("127.0.0.1:1")}));
  EXPECT_TRUE(upstream.is_up(0, now));
}

// ---- Slow start

TEST_F(SharedUpstreamHealth, AServerThatPassesItsChecksAgainStartsSlowly) {
  auto config = two_servers();
  config->health = three_and_two();
  config->slow_start = 10s;
  SharedUpstream upstream(config);
  upstream.checked(0, false, now);
  upstream.checked(0, true, now);
  EXPECT_DOUBLE_EQ(upstream.share(0, now), 1) << "it is not up yet";
  upstream.checked(0, true, now);
  EXPECT_DOUBLE_EQ(upstream.share(0, now), 0.1);
  EXPECT_DOUBLE_EQ(upstream.share(0, now + 5s), 0.55);
  upstream.checked(0, true, now + 5s);
  EXPECT_DOUBLE_EQ(upstream.share(0, now + 10s), 1) << "further checks do not begin again";
  upstream.checked(1, true, now);
  EXPECT_DOUBLE_EQ(upstream.share(1, now), 1) << "it was never down";
}

TEST_F(SharedUpstreamHealth, AServerThatACheckConnectsToAgainStartsSlowly) {
  auto config = two_servers();
  config->health = three_and_two();
  config->slow_start = 10s;
  SharedUpstream upstream(config);
  upstream.checked(0, true, now);
  upstream.unreachable(0, now, "refused");
  upstream.checked(0, true, now + 1s);
  EXPECT_TRUE(upstream.is_up(0, now + 1s));
  EXPECT_DOUBLE_EQ(upstream.share(0, now + 1s), 0.1);
  EXPECT_DOUBLE_EQ(upstream.share(0, now + 11s), 1);
}

// ---- Reload

TEST_F(SharedUpstreamHealth, GoesOverToTheSameServersOfAnotherConfiguration) {
  auto config = two_servers();
  config->health = three_and_two();
  config->outlier = config::Outlier{.failures = 1, .eject = 1min};
  SharedUpstream before(config);
  before.checked(0, false, now);
  before.failed(1, now, "reset");
  auto changed = std::make_shared<config::Upstream>(*config);
  std::ranges::reverse(changed->servers);
  changed->servers[1].weight = 5;
  changed->servers.push_back(two_servers()->servers[0]);
  changed->servers[2].url = "127.0.0.1:3";
  SharedUpstream after(changed);
  after.inherit(before);
  EXPECT_TRUE(after.is_ejected(0, now));
  EXPECT_EQ(after.ejected_until(0, now), now + 1min);
  EXPECT_FALSE(after.is_up(1, now));
  EXPECT_TRUE(after.is_up(2, now));
  after.checked(1, true, now);
  EXPECT_FALSE(after.is_up(1, now)) << "it takes as many passes as before";
  after.checked(1, true, now);
  EXPECT_TRUE(after.is_up(1, now));
}

TEST_F(SharedUpstreamHealth, OfOtherChecksIsForgotten) {
  auto config = two_servers();
  config->health = three_and_two();
  SharedUpstream before(config);
  before.checked(0, false, now);
  auto changed = std::make_shared<config::Upstream>(*config);
  changed->health->path = "/other";
  SharedUpstream after(changed);
  after.inherit(before);
  EXPECT_TRUE(after.is_up(0, now));
}

TEST_F(SharedUpstreamHealth, AddressesOfANameGoOver) {
  auto config = two_servers();
  config->servers[0].name = config::Name{"app.test", 80};
  SharedUpstream before(config);
  before.use_addresses(0, {*SocketAddress::parse("127.0.0.1:1")});
  SharedUpstream after(config);
  after.inherit(before);
  EXPECT_TRUE(after.is_up(0, now));
  EXPECT_EQ(after.addresses().count(0), 1U);
}

TEST(Addresses, ChangeWhenTheyAreOthersInWhateverOrder) {
  auto config = two_servers();
  config->servers[1].name = config::Name{"app.test", 80};
  Addresses addresses(config->servers);
  const auto one = *SocketAddress::parse("127.0.0.1:80");
  const auto two = *SocketAddress::parse("127.0.0.2:80");
  EXPECT_EQ(addresses.all()[0]->front().to_string(), "127.0.0.1:1");
  EXPECT_FALSE(addresses.has_any(1));
  EXPECT_TRUE(addresses.change(1, {one, two}));
  const unsigned version = addresses.version();
  EXPECT_FALSE(addresses.change(1, {two, one}));
  EXPECT_EQ(addresses.version(), version);
  EXPECT_TRUE(addresses.change(1, {two}));
  EXPECT_NE(addresses.version(), version);
  EXPECT_EQ(addresses.count(1), 1U);
}

TEST(Addresses, OfIPv4AreTakenBeforeThoseOfIPv6AndOnce) {
  const auto v4 = *SocketAddress::parse("127.0.0.1:80");
  const auto v6 = *SocketAddress::parse("[::1]:80");
  EXPECT_EQ(usable({v6, v4, v4}), std::vector<SocketAddress>{v4});
  EXPECT_EQ(usable({v6, v6}), std::vector<SocketAddress>{v6});
  EXPECT_TRUE(usable({}).empty());
}

}  // namespace
}  // namespace hangup::upstream
