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

}  // namespace
}  // namespace hangup::config
