// on_disconnect.cleanup: which cleanups a route calls.
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::IsEmpty;

std::string with_calling_routes(const std::string& routes) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
         "cleanups: {stop: {url: \"http://h/\"}, tell: {url: \"http://h/\"}, taken: {url: \"http://h/\"}}\n"
         "routes:\n" +
         routes;
}

std::string with_called(const std::string& value, const std::string& name = "r") {
  return with_calling_routes("  - {name: " + name + ", upstream: app, on_disconnect: {cleanup: " + value +
                             "}}\n");
}

const std::string inline_one = "{url: \"http://h/\"}";

std::vector<std::string> cleanup_names(const std::vector<std::shared_ptr<const Cleanup>>& cleanups) {
  std::vector<std::string> out;
  for (const auto& cleanup : cleanups) out.push_back(cleanup->name);
  return out;
}

std::vector<std::string> called(const std::string& value) {
  const auto config = valid(with_called(value));
  return config->routes.empty() ? std::vector<std::string>()
                                : cleanup_names(config->routes.front().on_disconnect.cleanups);
}

TEST(CalledCleanups, AreCalledInTheirOrder) {
  EXPECT_THAT(called("stop"), ElementsAre("stop"));
  EXPECT_THAT(called("none"), IsEmpty());
  EXPECT_THAT(called("[tell]"), ElementsAre("tell"));
  EXPECT_THAT(called("[tell, stop]"), ElementsAre("tell", "stop"));
  EXPECT_THAT(called("\"${HANGUP_TEST_UNSET:-none}\""), IsEmpty());
}

TEST(CalledCleanups, WrittenInARouteAreNamedAfterIt) {
  EXPECT_THAT(called(inline_one), ElementsAre("r"));
  EXPECT_THAT(called("[" + inline_one + ", stop, " + inline_one + "]"), ElementsAre("r", "stop", "r#2"));
}

TEST(CalledCleanups, AllAreFoundByTheirNames) {
  const auto config = valid(with_calling_routes(
      "  - {upstream: app, on_disconnect: {cleanup: [" + inline_one +
      ", stop]}}\n  - {name: b, upstream: app, on_disconnect: {cleanup: " + inline_one + "}}\n"));
  EXPECT_THAT(cleanup_names(config->cleanups), ElementsAre("stop", "tell", "taken", "route-1", "b"));
  EXPECT_EQ(config->cleanups[3], config->routes[0].on_disconnect.cleanups[0]);
  EXPECT_EQ(config->cleanups[0], config->routes[0].on_disconnect.cleanups[1]);
}

TEST(CalledCleanups, NamesThatWouldClashAreReported) {
  const auto clash = [](const std::string& name) {
    return "a cleanup written in a route is called after it, and there is a cleanup `" + name +
           "` already: give the route another name";
  };
  expect_problem(with_called("§" + inline_one, "taken"), clash("taken"));
  EXPECT_THAT(problems(with_called("stop", "taken")), IsEmpty());
  expect_problem(
      with_calling_routes("  - {name: a, upstream: app, on_disconnect: {cleanup: [" + inline_one + ", " +
                          inline_one + "]}}\n  - {name: \"a#2\", upstream: app, on_disconnect: {cleanup: §" +
                          inline_one + "}}\n"),
      clash("a#2"));
  expect_problem(with_calling_routes(
                     "  - {name: a, upstream: app, on_disconnect: {cleanup: " + inline_one +
                     "}}\n  - {name: §a, upstream: app, on_disconnect: {cleanup: " + inline_one + "}}\n"),
                 "duplicate route name `a`, first given in line 5");
}

TEST(CalledCleanups, WhatCantBeCalledIsReported) {
  expect_problem(with_called("[stop, §none]"), "`cleanup`: `none` in a list; leave it out");
  expect_problem(with_called("[stop, tell, §stop]"), "`cleanup`: `stop` twice");
  expect_problem(
      with_called("[stop, §stp]"),
      "`cleanup`: found `stp`, expected one of cleanups: stop, taken, tell; or none, or a mapping with a "
      "cleanup; did you mean `stop`?");
  expect_problem(with_called("[§[stop]]"),
                 "`cleanup`: found a list, expected the name of a cleanup or a mapping with one");
  const std::string expected = "expected the name of a cleanup, a mapping with one, a list of these, or none";
  expect_problem(with_called("§[]"), "`cleanup`: found an empty list, " + expected);
  EXPECT_THAT(problems(with_called("~")),
              ElementsAre(testing::EndsWith("`cleanup`: found nothing, " + expected)));
  expect_problem(with_called("[stop, {url: \"http://h/§{path.id}\"}]"),
                 "{path.id} is not captured by this route's path `/*`");
}

}  // namespace
}  // namespace hangup::config
