#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::IsEmpty;

std::string with_cleanup(const std::string& members) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
         "routes: [{upstream: app}]\n"
         "cleanups:\n"
         "  c: {" +
         members + "}\n";
}

std::string with_members(const std::string& members) {
  return with_cleanup("url: \"http://h/\", " + members);
}

std::shared_ptr<const Cleanup> cleanup(const std::string& members) {
  const auto config = valid(with_members(members));
  return config->cleanups.empty() ? std::make_shared<const Cleanup>() : config->cleanups.front();
}

TEST(Cleanups, TemplateProblemsHaveTheirColumn) {
  expect_problem(with_cleanup("url: \"http://h/jobs/§{request.idd}\""),
                 "unknown variable {request.idd}: did you mean {request.id}?");
  expect_problem(with_members("headers: {X-A: 'a§{rout}'}"),
                 "unknown variable {rout}: did you mean {route}?");
  // Behind an escape, the start of the text.
  expect_problem(with_members("headers: {X-A: §\"\\t{rout}\"}"),
                 "unknown variable {rout}: did you mean {route}?");
}

TEST(Cleanups, PlainScalarsHaveTheirColumnToo) {
  expect_problem(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
      "routes: [{upstream: app}]\n"
      "cleanups:\n"
      "  c:\n"
      "    url: http://h/§{rout}\n",
      "unknown variable {rout}: did you mean {route}?");
}

TEST(Cleanups, BodiesDependOnTheMethod) {
  for (const std::string method : {"POST", "PUT", "PATCH"}) {
    EXPECT_EQ(cleanup("method: " + method)->body_kind, Cleanup::Body::cloudevent);
  }
  for (const std::string method : {"GET", "DELETE", "PURGE"}) {
    EXPECT_EQ(cleanup("method: " + method)->body_kind, Cleanup::Body::none);
  }
  EXPECT_EQ(cleanup("timeout: 1s")->body_kind, Cleanup::Body::cloudevent);
  EXPECT_EQ(cleanup("method: DELETE, body: cloudevent")->body_kind, Cleanup::Body::cloudevent);
  EXPECT_EQ(cleanup("body: none")->body_kind, Cleanup::Body::none);
  EXPECT_EQ(cleanup("body: nothing")->body_kind, Cleanup::Body::template_text);
  expect_warning(with_members("body: §cloudevents"),
                 "`body`: `cloudevents` is sent as it stands; did you mean `cloudevent`?");
  expect_problem(
      with_members("method: §delete"),
      "`method`: found `delete`, expected a method such as GET, POST or DELETE; did you mean `DELETE`?");
}

TEST(Cleanups, BodiesAreEscapedForWhatTheyAre) {
  const auto place = [](const std::string& members) { return cleanup(members)->body_place; };
  EXPECT_EQ(place(R"(body: '{"id": "{request.id}"}')"), Place::json);
  EXPECT_EQ(place(R"(body: '{"status": {response.status}}')"), Place::json);
  EXPECT_EQ(place(R"(body: '["{request.id}"]')"), Place::json);
  EXPECT_EQ(place(R"(body: 'id={request.id}')"), Place::text);
  EXPECT_EQ(place(R"(body: '{request.id}')"), Place::text);
  EXPECT_EQ(place(R"(headers: {Content-Type: text/plain}, body: '{"id": "{request.id}"}')"), Place::text);
  EXPECT_EQ(place(R"(headers: {content-type: "application/json; charset=utf-8"}, body: '"{request.id}"')"),
            Place::json);
  EXPECT_EQ(place(R"(headers: {Content-Type: application/vnd.x+JSON}, body: '"{request.id}"')"), Place::json);
  EXPECT_EQ(place(R"(headers: {Content-Type: application/jsonlines}, body: 'x')"), Place::text);
}

TEST(Cleanups, InJsonVariablesStandInStrings) {
  expect_problem(
      with_members(R"(body: '{"a": "\"{route}", "id": §{request.id}}')"),
      "{request.id} stands outside of a JSON string: write \"{request.id}\", or {request.id|raw} if "
      "its value is JSON");
  EXPECT_THAT(problems(with_members(R"(body: '{"id": {request.header.x|raw}, "p": {client.port}}')")),
              IsEmpty());
}

TEST(Cleanups, HeadersOfTheDeliveryAreItsOwn) {
  expect_problem(with_members("headers: {§Webhook-Id: x}"),
                 "`Webhook-Id` is written by hangup for each delivery");
  expect_problem(with_members("headers: {§Host: x}"),
                 "`Host` can't be changed: it is the one of the cleanup's url");
  EXPECT_THAT(problems(with_members("headers: {X-Why: \"{outcome} {phase} {response.status|-}\"}")),
              IsEmpty());
}

TEST(Cleanups, RetriesMakeSense) {
  expect_problem(with_members("retry: {max_attempts: §0}"),
                 "`max_attempts`: found `0`, expected a whole number from 1 to 1000");
  expect_problem(with_members("retry: {backoff: {base: §2s, max: 1s}}"),
                 "`base`, 2s, is longer than `max`, 1s");
  expect_problem(with_members("retry: {backoff: {max: §100ms}}"),
                 "`base`, 200ms, is longer than `max`, 100ms");
  expect_problem(with_members("timeout: §0s"),
                 "`timeout`: found `0s`, expected a duration from 1ms to 8760h");
}

TEST(Cleanups, ExpireAfterAMinuteUnlessTheySayOtherwise) {
  EXPECT_EQ(cleanup("timeout: 1s")->expire_after, minutes(1));
  EXPECT_EQ(cleanup("timeout: 1s")->delay, Duration::zero());
  EXPECT_EQ(cleanup("expire_after: 24h, delay: 2m")->expire_after, hours(24));
  EXPECT_EQ(cleanup("expire_after: 24h, delay: 2m")->delay, minutes(2));
  EXPECT_EQ(cleanup("expire_after: never")->expire_after, std::nullopt);
  EXPECT_EQ(cleanup("expire_after: never, delay: 8760h")->delay, hours(8760));
  expect_problem(with_members("expire_after: §nevr"),
                 "`expire_after`: found `nevr`, expected a duration such as 250ms, 30s, 15m or 1h, or never");
  expect_problem(with_members("expire_after: §0"),
                 "`expire_after`: found `0`, expected a duration from 1ms to 8760h, or never");
}

TEST(Cleanups, ADelayEndsBeforeTheyExpire) {
  expect_problem(
      with_members("delay: §60s"),
      "`delay`, 1m, is not shorter than `expire_after`, 1m unless you set it: it would never be sent");
  expect_problem(with_members("expire_after: 5s, delay: §10s"),
                 "`delay`, 10s, is not shorter than `expire_after`, 5s: it would never be sent");
  EXPECT_THAT(problems(with_members("delay: 59s")), IsEmpty());
}

TEST(Cleanups, StatusesCanCountAsDone) {
  EXPECT_THAT(cleanup("timeout: 1s")->ok_status, IsEmpty());
  EXPECT_THAT(cleanup("ok_status: [404, 409]")->ok_status, ElementsAre(404, 409));
  EXPECT_THAT(cleanup("ok_status: 204")->ok_status, ElementsAre(204));
  for (const std::string bad : {"99", "600", "4xx", "-404", "404.0", "\"\""}) {
    expect_problem(with_members("ok_status: [404, §" + bad + "]"),
                   testing::EndsWith(", expected a whole number from 100 to 599"));
  }
  expect_problem(with_members("ok_status: [404, §404]"), "`ok_status`: `404` twice");
  expect_problem(with_members("ok_status: §[]"),
                 "`ok_status`: found an empty list, expected a list of statuses");
}

TEST(Cleanups, AHeaderIsReadFromAFile) {
  const TempFile file("Bearer {route} x\n");
  const auto read = cleanup("headers: {Authorization: {file: " + file.path() + "}}");
  ASSERT_EQ(read->headers.size(), 1U);
  const Template& value = read->headers.front().second;
  EXPECT_EQ(value.render(FakeSource(std::map<std::string, std::string>()), Place::header),
            "Bearer {route} x");
  EXPECT_EQ(value.as_written().text(), "(from " + file.path() + ")");
}

TEST(Cleanups, AHeadersFileHasOneLineOfText) {
  expect_problem(with_members("headers: {A: {file: §/nowhere/token}}"),
                 "`file`: /nowhere/token: can't be read: No such file or directory");
  const TempFile empty("\n");
  expect_problem(with_members("headers: {A: {file: §" + empty.path() + "}}"),
                 "`file`: " + empty.path() + ": is empty, expected the header's value");
  const TempFile lines("secret\r\nX-Injected: secret\n");
  expect_problem(with_members("headers: {A: {file: §" + lines.path() + "}}"),
                 "`file`: " + lines.path() +
                     ": has line breaks or control characters, which a header's value can't have");
  expect_problem(with_members("headers: {A: §{}}"),
                 "`file` is missing, expected the path of a file with the header's value");
  const TempFile large(std::string(20'000, 'x'));
  expect_problem(with_members("headers: {A: {file: §" + large.path() + "}}"),
                 "`file`: " + large.path() + ": larger than 16KiB: no value of a header");
}

TEST(Cleanups, WhatTheEnvironmentGaveIsNotShown) {
  const Environment token("HANGUP_TEST_TOKEN", "s3cret");
  const auto read = cleanup("headers: {Authorization: \"Bearer ${HANGUP_TEST_TOKEN} $$ {request.id}\"}");
  const Template& value = read->headers.front().second;
  const FakeSource source(std::map<std::string, std::string>{{"request.id", "7"}});
  EXPECT_EQ(value.render(source, Place::header), "Bearer s3cret $ 7");
  EXPECT_EQ(value.as_written().render(source, Place::header), "Bearer ${HANGUP_TEST_TOKEN} $ 7");
}

TEST(Cleanups, WhatTheEnvironmentGaveIsNotShownWhereItNamesAVariable) {
  const Environment token("HANGUP_TEST_TOKEN", "s3cret");
  const auto read = cleanup("headers: {A: \"{request.header.${HANGUP_TEST_TOKEN}}\"}");
  EXPECT_EQ(read->headers.front().second.as_written().text(), "(not shown)");
}

TEST(Cleanups, NoneIsNoName) {
  expect_problem(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
      "routes: [{upstream: app}]\n"
      "cleanups: {§none: {url: \"http://h/\"}}\n",
      "`none` is no name for a cleanup: in a route it means that there is none");
}

TEST(Cleanups, AnInlineOneKnowsItsRoutesCaptures) {
  expect_problem(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
      "routes:\n"
      "  - match: {path: \"/{id}\"}\n"
      "    upstream: app\n"
      "    on_disconnect: {cleanup: {url: \"http://h/§{path.di}\"}}\n",
      "{path.di} is not captured by this route's path `/{id}`");
}

TEST(Cleanups, ASharedOneMayHaveADefaultForACapture) {
  expect_problem(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
      "routes: [{upstream: app, on_disconnect: {cleanup: §c}}]\n"
      "cleanups: {c: {url: \"http://h/{path.id|all}\", headers: {A: \"{path.x}\"}}}\n",
      "cleanup `c` needs {path.x}, which this route's path `/*` does not capture");
}

}  // namespace
}  // namespace hangup::config
