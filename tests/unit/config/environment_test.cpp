#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::StartsWith;

std::string log_path(const std::string& written) {
  return valid(with("log: {path: \"" + written + "\"}\n"))->log.path;
}

TEST(Environment, VariablesAreReplacedInAnyString) {
  const Environment dir("HANGUP_TEST_DIR", "/var/log");
  const Environment drain("HANGUP_TEST_DRAIN", "7s");
  EXPECT_EQ(log_path("${HANGUP_TEST_DIR}/a"), "/var/log/a");
  EXPECT_EQ(log_path("${HANGUP_TEST_DIR}${HANGUP_TEST_DIR}"), "/var/log/var/log");
  EXPECT_EQ(valid(with("shutdown: {drain: \"${HANGUP_TEST_DRAIN}\"}\n"))->drain, seconds(7));
  EXPECT_EQ(valid(with("workers: ${HANGUP_TEST_WORKERS:-5}\n"))->workers, 5U);
}

TEST(Environment, ADefaultReplacesWhatIsUnsetOrEmpty) {
  const Environment empty("HANGUP_TEST_EMPTY", "");
  EXPECT_EQ(log_path("${HANGUP_TEST_UNSET:-x}"), "x");
  EXPECT_EQ(log_path("${HANGUP_TEST_EMPTY:-x}"), "x");
  EXPECT_EQ(log_path("a${HANGUP_TEST_UNSET:-}"), "a");
  EXPECT_EQ(log_path("a${HANGUP_TEST_EMPTY}"), "a");
}

TEST(Environment, OtherDollarsStandForThemselves) {
  EXPECT_EQ(log_path("$$"), "$");
  EXPECT_EQ(log_path("$${HOME}"), "${HOME}");
  EXPECT_EQ(log_path("a$b$"), "a$b$");
  EXPECT_EQ(log_path("$$$$"), "$$");
}

TEST(Environment, AnUnsetVariableIsNamedAtItsPlace) {
  EXPECT_THAT(
      problems(with("log: {path: \"a${HANGUP_TEST_A}${HANGUP_TEST_B}\"}\n")),
      ElementsAre("10:15: the environment variable `HANGUP_TEST_A` is not set, and ${HANGUP_TEST_A} has no "
                  "default; write ${HANGUP_TEST_A:-default} to give one",
                  StartsWith("10:31: the environment variable `HANGUP_TEST_B` is not set")));
}

TEST(Environment, MalformedReferencesAreProblems) {
  EXPECT_THAT(problems(with("log: {path: \"a${X\"}\n")),
              ElementsAre("10:15: `${` without its `}`; write $$ for a plain $"));
  EXPECT_THAT(problems(with("log: {path: \"${1X}\"}\n")),
              ElementsAre(StartsWith("10:14: `1X` is no name of an environment variable")));
  EXPECT_THAT(problems(with("log: {path: \"${}\"}\n")), ElementsAre(StartsWith("10:14: `` is no name")));
}

TEST(Environment, ValuesAreNotShownInMessages) {
  const Environment secret("HANGUP_TEST_SECRET", "hunter2");
  EXPECT_THAT(
      problems(with("workers: ${HANGUP_TEST_SECRET}\n")),
      ElementsAre(
          "10:10: `workers`: found `${HANGUP_TEST_SECRET}`, expected auto or a whole number from 1 to 256"));
}

TEST(Environment, ValuesAreNoTemplates) {
  const Environment secret("HANGUP_TEST_SECRET", "{route}{");
  const std::string text =
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "upstreams: {app: {servers: [\"http://127.0.0.1\"]}}\n"
      "routes: [{upstream: app}]\n"
      "cleanups: {c: {url: \"http://127.0.0.1/\", headers: {Authorization: \"${HANGUP_TEST_SECRET} "
      "{route}\"}}}\n";
  const auto config = valid(text);
  const Template& value = config->cleanups.front()->headers.front().second;
  EXPECT_EQ(value.render(FakeSource(std::map<std::string, std::string>{{"route", "r"}}), Place::header),
            "{route}{ r");
}

TEST(Environment, TemplateProblemsBehindAVariableHaveTheirColumn) {
  const Environment path("HANGUP_TEST_PATH", "/a/long/path");
  EXPECT_THAT(problems("listeners: [{address: \"127.0.0.1:0\"}]\n"
                       "upstreams: {app: {servers: [\"http://127.0.0.1\"]}}\n"
                       "routes: [{upstream: app}]\n"
                       "cleanups: {c: {url: \"http://h${HANGUP_TEST_PATH}/{rout}\"}}\n"),
              ElementsAre("4:50: unknown variable {rout}: did you mean {route}?"));
}

}  // namespace
}  // namespace hangup::config
