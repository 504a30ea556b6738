// admin: where orchestrators and operators ask.
#include "support.h"

#include <gtest/gtest.h>

namespace hangup::config {
namespace {

TEST(Admin, IsOffUnlessAskedForAndOnLoopbackUnlessToldOtherwise) {
  EXPECT_FALSE(valid(with(""))->admin);
  EXPECT_EQ(valid(with("admin: {}\n"))->admin->to_string(), "127.0.0.1:9901");
  EXPECT_EQ(valid(with("admin: {address: \"[::1]:9\"}\n"))->admin->to_string(), "[::1]:9");
}

TEST(Admin, IsNoAddressOfClients) {
  expect_problem(with("admin: {address: §9901}\n"),
                 "`address`: `9901` is not an address: expected 127.0.0.1:8080, [::1]:8080 or unix:/path");
  expect_problem(
      "listeners: [{name: public, address: \"127.0.0.1:8080\"}]\nupstreams: {u: {servers: "
      "[\"http://127.0.0.1:1\"]}}\nroutes: [{upstream: u}]\nadmin: {address: §127.0.0.1:8080}\n",
      "`address`: listener `public` has it already; clients must not reach the admin pages");
}

// Connections to one of its addresses would be clients'.
TEST(Admin, IsNoAddressOfAListenerAtEveryAddress) {
  const auto at = [](const std::string& listener, const std::string& admin) {
    return "listeners: [{name: public, address: \"" + listener +
           "\"}]\nupstreams: {u: {servers: [\"http://127.0.0.1:1\"]}}\nroutes: [{upstream: u}]\nadmin: "
           "{address: " +
           admin + "}\n";
  };
  const std::string problem =
      "`address`: listener `public` has it already; clients must not reach the admin pages";
  expect_problem(at("0.0.0.0:9901", "§127.0.0.1:9901"), problem);
  expect_problem(at("127.0.0.1:9901", "§0.0.0.0:9901"), problem);
  expect_problem(at("[::]:9901", "§\"[::1]:9901\""), problem);
  expect_problem(at("unix:/run/a.sock", "§unix:/run/a.sock"), problem);
  EXPECT_TRUE(valid(at("0.0.0.0:9902", "127.0.0.1:9901"))->admin);
  EXPECT_TRUE(valid(at("[::]:9901", "127.0.0.1:9901"))->admin);  // IPv4 and IPv6 are apart
  EXPECT_TRUE(valid(at("0.0.0.0:0", "127.0.0.1:0"))->admin);
}

}  // namespace
}  // namespace hangup::config
