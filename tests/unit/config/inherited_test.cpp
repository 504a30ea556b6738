// Listeners at sockets that systemd passes.
#include "support.h"

#include <gtest/gtest.h>

namespace hangup::config {
namespace {

std::string listening_at(const std::string& addresses) {
  return "listeners: [" + addresses +
         "]\nupstreams: {u: {servers: [\"http://127.0.0.1:1\"]}}\nroutes: [{upstream: u}]\n";
}

TEST(InheritedSocket, IsNamedByItsDescriptorAndNamesItsListener) {
  const auto config = valid(listening_at("{address: \"fd:http\"}"));
  EXPECT_EQ(config->listeners.front().inherited, "http");
  EXPECT_EQ(config->listeners.front().name, "fd:http");
  EXPECT_EQ(config->listeners.front().position.column, 23);
}

TEST(InheritedSocket, HasANameThatSystemdTakes) {
  for (const std::string bad : {"", "a b", "a:b"}) {
    expect_problem(listening_at("{address: §\"fd:" + bad + "\"}"),
                   testing::HasSubstr("is no name of a socket that systemd passes: expected fd:NAME"));
  }
}

TEST(InheritedSocket, IsOneListeners) {
  expect_problem(listening_at("{name: a, address: \"fd:http\"}, {name: b, address: §\"fd:http\"}"),
                 "duplicate address `fd:http`: listener `a` has it already");
}

}  // namespace
}  // namespace hangup::config
