#include "unit/config/support.h"

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::IsEmpty, testing::StartsWith;

std::string balanced(const std::string& members, const std::string& path = "/*") {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "routes: [{upstream: app, match: {path: \"" +
         path +
         "\"}}]\n"
         "upstreams:\n"
         "  app: {servers: [\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"], " +
         members + "}\n";
}

std::string weighted(const std::string& servers) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "routes: [{upstream: app}]\n"
         "upstreams:\n"
         "  app: {servers: " +
         servers + "}\n";
}

TEST(Balancing, HashTakesATemplateOfTheRequest) {
  const auto config = valid(balanced("balance: \"hash({request.header.x-user|none}-{path.id})\"", "/r/{id}"));
  const Upstream& app = *config->upstreams.front();
  EXPECT_EQ(app.balance, Balance::hash);
  ASSERT_TRUE(app.hash_key);
  EXPECT_EQ(app.hash_key->text(), "{request.header.x-user|none}-{path.id}");
  const auto plain = valid(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "routes: [{upstream: app}]\n"
      "upstreams:\n"
      "  app:\n"
      "    servers: [\"http://127.0.0.1:1\"]\n"
      "    balance: hash({client.ip}:{request.path})\n");
  EXPECT_EQ(plain->upstreams.front()->hash_key->text(), "{client.ip}:{request.path}");
}

TEST(Balancing, KindsAreReadFromTheEnvironment) {
  const Environment kind("HANGUP_TEST_BALANCE", "random_two");
  EXPECT_EQ(valid(balanced("balance: \"${HANGUP_TEST_BALANCE}\""))->upstreams.front()->balance,
            Balance::random_two);
  const Environment header("HANGUP_TEST_BALANCE", "x-user");
  const auto config = valid(balanced("balance: \"hash({request.header.${HANGUP_TEST_BALANCE}})\""));
  EXPECT_EQ(config->upstreams.front()->hash_key->text(), "{request.header.x-user}");
}

TEST(Balancing, ProblemsOfAHashAreShownWhereTheyAre) {
  expect_problem(balanced("balance: \"hash(§{client.io})\""), StartsWith("unknown variable {client.io}"));
  expect_problem(balanced("balance: 'hash(a-§{response.status})'"),
                 "{response.status} is not known here, before a server is chosen");
  expect_problem(balanced("balance: \"hash(§{upstream.server})\""),
                 "{upstream.server} is not known here, before a server is chosen");
  expect_problem(balanced("balance: \"hash(§{request.json.user})\""),
                 "{request.json.user} is not known here, before the body has passed: cleanups know it");
  expect_problem(balanced("balance: \"hash(§client.ip)\""),
                 StartsWith("`balance`: hash() of a text without a variable sends everything to one server"));
  expect_problem(balanced("balance: §\"hash({client.ip}\""),
                 StartsWith("`balance`: found `hash({client.ip}`, expected round_robin, least_requests, "));
  expect_problem(balanced("balance: §[]"),
                 StartsWith("`balance`: found an empty list, expected round_robin"));
}

TEST(Balancing, RoutesCaptureWhatServersAreChosenBy) {
  EXPECT_THAT(problems(balanced("balance: \"hash({path.id})\"", "/r/{ident}")),
              ElementsAre("2:21: upstream `app` balances by {path.id}, which this route's path `/r/{ident}` "
                          "does not capture; capture it, or give it a default: {path.id|}"));
  EXPECT_THAT(problems(balanced("balance: \"hash({path.id|})\"", "/r")), IsEmpty());
}

TEST(Balancing, WeightsHaveBounds) {
  expect_problem(weighted("[{url: \"http://127.0.0.1:1\", weight: §257}]"),
                 "`weight`: found `257`, expected a whole number from 0 to 256");
  expect_problem(
      weighted("[\"http://127.0.0.1:1\", {url: §\"http://127.0.0.1:1\", weight: 3}]"),
      "`servers`: http://127.0.0.1:1 is there already; for a larger share give it a `weight`: {url: "
      "http://127.0.0.1:1, weight: 2}");
  expect_problem(
      weighted("§[{url: \"http://127.0.0.1:1\", weight: 0}, {url: \"unix:/x\", weight: 0}]"),
      "`servers`: all have the weight 0, so none would get a request; expected one with a `weight` "
      "from 1 to 256");
  EXPECT_EQ(valid(weighted("[{url: \"http://127.0.0.1:1\", weight: 0}, \"unix:/x\"]"))
                ->upstreams.front()
                ->servers.front()
                .weight,
            0U);
}

TEST(Balancing, RetriesAreWhatTheListSaysAndNothingElse) {
  const Retries usual = valid(balanced("retries: {}"))->upstreams.front()->retries;
  EXPECT_EQ(usual, Retries());
  const Retries one = valid(balanced("retries: {on: 504}"))->upstreams.front()->retries;
  EXPECT_FALSE(one.connect);
  EXPECT_FALSE(one.reset_before_head);
  EXPECT_THAT(one.statuses, ElementsAre(504));
  EXPECT_EQ(valid(balanced("retries: {budget: 0%}"))->upstreams.front()->retries.budget_percent, 0U);
}

TEST(Balancing, ProblemsOfRetries) {
  const std::string percentage = ", expected a percentage from 0% to 100%";
  expect_problem(balanced("retries: {budget: §20}"), "`budget`: found `20`" + percentage);
  expect_problem(balanced("retries: {budget: §101%}"), "`budget`: found `101%`" + percentage);
  expect_problem(balanced("retries: {budget: §-1%}"), "`budget`: found `-1%`" + percentage);
  expect_problem(balanced("retries: {on: [§conect]}"),
                 "`on`: found `conect`, expected connect, reset_before_head, 502, 503 or 504; did you mean "
                 "`connect`?");
  expect_problem(balanced("retries: {on: §500}"), StartsWith("`on`: found `500`, expected connect, "));
  expect_problem(balanced("retries: {on: §[]}"), StartsWith("`on`: found an empty list, expected connect, "));
  expect_problem(balanced("retries: {attempts: §101}"),
                 "`attempts`: found `101`, expected a whole number from 0 to 100");
  expect_problem(balanced("retries: {§tries: 1}"),
                 StartsWith("unknown key `tries`, expected one of: attempts, on, budget, min_per_second"));
}

TEST(Balancing, WhatItSaysMakesAnotherUpstream) {
  const auto upstream = [](const std::string& members) {
    return *valid(balanced(members))->upstreams.front();
  };
  EXPECT_EQ(upstream("balance: \"hash({client.ip})\""), upstream("balance: \"hash({client.ip})\""));
  EXPECT_NE(upstream("balance: \"hash({client.ip})\""), upstream("balance: \"hash({request.path})\""));
  EXPECT_NE(upstream("retries: {attempts: 1}"), upstream("retries: {attempts: 2}"));
  EXPECT_NE(upstream("slow_start: 1s"), upstream("slow_start: 2s"));
}

}  // namespace
}  // namespace hangup::config
