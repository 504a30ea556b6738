#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace hangup::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre, testing::StartsWith;

std::string with_care(const std::string& members, const std::string& server = "http://127.0.0.1:9000") {
  return "listeners: [{address: \"127.0.0.1:0\"}]\nupstreams: {app: {servers: [\"" + server + "\"], " +
         members + "}}\nroutes: [{upstream: app}]\n";
}

const Upstream& upstream_of(const std::shared_ptr<const Config>& config) {
  return *config->upstreams.front();
}

TEST(UpstreamCare, IsOffUnlessItIsAskedFor) {
  const auto config = valid(with_care("required: true"));
  EXPECT_FALSE(upstream_of(config).health);
  EXPECT_FALSE(upstream_of(config).outlier);
  EXPECT_EQ(upstream_of(config).resolve, 30s);
  EXPECT_FALSE(config->resolver);
}

TEST(UpstreamCare, HasDefaultsForWhatIsNotSaid) {
  const auto config = valid(with_care("health: {path: /up}, outlier: {}"));
  const HealthCheck& check = *upstream_of(config).health;
  EXPECT_EQ(check.path, "/up");
  EXPECT_EQ(check.method, "GET");
  EXPECT_EQ(check.interval, 5s);
  EXPECT_EQ(check.timeout, 1s);
  EXPECT_EQ(check.unhealthy, 3U);
  EXPECT_EQ(check.healthy, 2U);
  EXPECT_FALSE(check.passes(199));
  EXPECT_TRUE(check.passes(200));
  EXPECT_TRUE(check.passes(399));
  EXPECT_FALSE(check.passes(400));
  const Outlier& outlier = *upstream_of(config).outlier;
  EXPECT_EQ(outlier.failures, 5U);
  EXPECT_EQ(outlier.eject, 10s);
  EXPECT_EQ(outlier.max_ejected_percent, 50U);
}

TEST(UpstreamCare, TakesStatusesAndRangesOfThem) {
  const auto config = valid(with_care("health: {path: /, status: [200-299, 401]}"));
  const HealthCheck& check = *upstream_of(config).health;
  EXPECT_THAT(check.status, ElementsAre(HealthCheck::Statuses{200, 299}, HealthCheck::Statuses{401, 401}));
  EXPECT_TRUE(check.passes(401));
  EXPECT_FALSE(check.passes(302));
  EXPECT_TRUE(upstream_of(valid(with_care("health: {path: /, status: 404}"))).health->passes(404));
}

TEST(UpstreamCare, SaysWhatIsWrongAndWhere) {
  const std::string status = ", expected a status such as 200, or a range of them such as 200-299";
  const std::string path = ", expected a path such as /healthz";
  expect_problem(with_care("health: {path: §up}"), "`path`: found `up`" + path);
  expect_problem(with_care("health: {path: §\"/a b\"}"), "`path`: found `/a b`" + path);
  expect_problem(with_care("health: {path: /, status: [200, §600]}"), "`status`: found `600`" + status);
  expect_problem(with_care("health: {path: /, status: §2xx}"), "`status`: found `2xx`" + status);
  expect_problem(with_care("health: {path: /, status: §300-200}"), "`status`: found `300-200`" + status);
  expect_problem(with_care("health: {path: /, host: §\"a b\"}"),
                 "`host`: found `a b`, expected a host such as app.internal");
  expect_problem(with_care("health: {§status: 200}"), StartsWith("`status` without a `path`: "));
  expect_problem(with_care("health: {§method: HEAD}"), StartsWith("`method` without a `path`: "));
  expect_problem(with_care("health: {path: /, §intervall: 1s}"), StartsWith("unknown key `intervall`"));
  expect_problem(with_care("health: {unhealthy: §0}"),
                 "`unhealthy`: found `0`, expected a whole number from 1 to 1000");
  expect_problem(with_care("outlier: {max_ejected_percent: §0}"),
                 "`max_ejected_percent`: found `0`, expected a whole number from 1 to 100");
  expect_problem(with_care("resolve: §on"),
                 "`resolve`: found `on`, expected a duration such as 250ms, 30s, 15m or 1h, or off");
}

TEST(UpstreamCare, LooksNamesUpLaterUnlessThatIsOff) {
  const auto named = valid(with_care("resolve: 1m", "https://nobody.invalid"));
  const Server& later = upstream_of(named).servers.front();
  EXPECT_EQ(later.name, (Name{"nobody.invalid", 443}));
  EXPECT_EQ(later.tls_name, "nobody.invalid");
  EXPECT_EQ(upstream_of(named).resolve, 1min);
  for (const char* fixed :
       {"http://127.0.0.1", "http://[::1]:81", "unix:/run/app.sock", "http://localhost:82"}) {
    const auto config = valid(with_care("required: true", fixed));
    EXPECT_FALSE(upstream_of(config).servers.front().name) << fixed;
    EXPECT_NE(upstream_of(config).servers.front().address.size(), 0U) << fixed;
  }
  const auto once = valid(with_care("resolve: off", "http://localhost"));
  EXPECT_EQ(upstream_of(once).resolve, std::nullopt);
}

TEST(UpstreamCare, TakesAResolverByItsAddress) {
  const auto resolver = [](const std::string& text) {
    return valid(with("resolver: \"" + text + "\"\n"))->resolver->to_string();
  };
  EXPECT_EQ(resolver("10.96.0.10"), "10.96.0.10:53");
  EXPECT_EQ(resolver("127.0.0.1:5353"), "127.0.0.1:5353");
  EXPECT_EQ(resolver("[::1]"), "[::1]:53");
  for (const char* wrong : {"dns.example", "unix:/run/dns", "127.0.0.1:0"}) {
    expect_problem(with("resolver: §\"" + std::string(wrong) + "\"\n"),
                   "`resolver`: found `" + std::string(wrong) +
                       "`, expected the address of a DNS server such as 10.96.0.10 or 127.0.0.1:5353");
  }
}

}  // namespace
}  // namespace hangup::config
