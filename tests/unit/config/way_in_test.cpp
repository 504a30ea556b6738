#include "support.h"

namespace hangup::config {
namespace {

using testing::AllOf, testing::HasSubstr;

std::string listener_with(const std::string& keys) {
  return "listeners: [{address: \"127.0.0.1:0\", " + keys + "}]\n" +
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\nroutes: [{upstream: app}]\n";
}

TEST(WayIn, NobodyIsTrustedByDefault) {
  EXPECT_TRUE(valid(with(""))->listeners.front().trusted_proxies.empty());
}

TEST(WayIn, TrustedProxiesAreAListOfNetworksOrOne) {
  const auto several = valid(listener_with("trusted_proxies: [10.0.0.0/8, \"::1\", unix]"));
  const Networks& trusted = several->listeners.front().trusted_proxies;
  EXPECT_TRUE(trusted.contains("10.9.8.7"));
  EXPECT_TRUE(trusted.contains("::1"));
  EXPECT_TRUE(trusted.contains("unix"));
  EXPECT_FALSE(trusted.contains("127.0.0.1"));
  const auto one = valid(listener_with("trusted_proxies: 127.0.0.1"));
  EXPECT_TRUE(one->listeners.front().trusted_proxies.contains("127.0.0.1"));
}

TEST(WayIn, WhatIsNoNetworkIsAProblemWhereItStands) {
  expect_problem(listener_with("trusted_proxies: [10.0.0.0/8, §proxy.local]"),
                 AllOf(HasSubstr("`trusted_proxies`"), HasSubstr("not a network"), HasSubstr("10.0.0.0/8")));
  expect_problem(listener_with("trusted_proxies: [§10.0.0.1/8]"), HasSubstr("write 10.0.0.0/8"));
  expect_problem(listener_with("trusted_proxies: §{a: b}"), HasSubstr("a list of networks"));
}

}  // namespace
}  // namespace hangup::config
