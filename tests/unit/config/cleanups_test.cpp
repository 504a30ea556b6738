#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hangup::config {
namespace {

using testing::ElementsAre, testing::IsEmpty, testing::StartsWith;

std::string with_cleanup(const std::string& members) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
         "routes: [{upstream: app}]\n"
         "cleanups:\n"
         "  c: {" +
         members + "}\n";
}

// The § marks where a problem of the URL is said to be.
std::string with_url(const std::string& url) {
  return with_cleanup("url: §\"" + url + "\"");
}

std::string with_members(const std::string& members) {
  return with_cleanup("url: \"http://h/\", " + members);
}

std::shared_ptr<const Cleanup> cleanup(const std::string& members) {
  const auto config = valid(with_members(members));
  return config->cleanups.empty() ? std::make_shared<const Cleanup>() : config->cleanups.front();
}

constexpr std::string_view example =
    "expected an absolute URL such as http://127.0.0.1:9000/jobs/{request.id}";

TEST(Cleanups, UrlsGoWhereTheFileSays) {
  const std::string steered = "`url`: scheme, host and port have to be written out";
  for (const std::string url :
       {"{request.header.x}", "{request.header.x}://h/", "/relative", "h/x", "ftp://h/"}) {
    expect_problem(with_url(url), steered + "; " + std::string(example));
  }
  for (const std::string url : {"http://{request.host}/", "http://h{request.path}", "http://h:{client.port}/",
                                "http://h:80{request.path|raw}"}) {
    expect_problem(with_url(url), StartsWith(steered));
  }
  for (const std::string url :
       {"http://h/{request.path}", "http://h?{request.query}", "HTTP://[::1]:80/{route}", "http://h"}) {
    EXPECT_THAT(problems(with_cleanup("url: \"" + url + "\"")), IsEmpty()) << url;
  }
}

TEST(Cleanups, UrlsArePlainAndFitForARequest) {
  expect_problem(with_url("https://h/"),
                 "`url`: this release calls cleanups by plain http; " + std::string(example));
  EXPECT_THAT(problems(with_cleanup("method: POST")),
              ElementsAre("5:6: `url` is missing, " + std::string(example)));
  expect_problem(with_url("http://u:p@h/"), "`url`: a URL here has no user and no password");
  expect_problem(with_url("http://h:99999/"),
                 "`url`: `h:99999` is no host with an optional port from 1 to 65535");
  for (const std::string url :
       {"http://h/a b", "http://h/#f", "http://h/{route}\\r\\nX: y", "http://h/\xc3\xa9"}) {
    expect_problem(with_url(url), StartsWith("`url`: a blank, a # or another character"));
  }
  expect_problem(with_url("http://h/../{route}"), StartsWith("`url`: a URL with dot segments"));
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
