// What a route plants in the request that it forwards.
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hangup::config {
namespace {

using testing::EndsWith, testing::HasSubstr, testing::IsEmpty, testing::StartsWith;

std::string with_request(const std::string& members) {
  return "listeners: [{address: \"127.0.0.1:0\"}]\n"
         "upstreams: {app: {servers: [\"http://127.0.0.1:9000\"]}}\n"
         "routes: [{upstream: app, match: {path: \"/q/{id}\"}, request: {" +
         members + "}}]\n";
}

RequestChanges changes_of(const std::string& members) {
  const auto config = valid(with_request(members));
  return config->routes.empty() ? RequestChanges() : config->routes.front().request;
}

TEST(RequestChanges, AreNoneByDefault) {
  const RequestChanges none = changes_of("remove_header: X");
  EXPECT_THAT(none.set_query, IsEmpty());
  EXPECT_THAT(none.set_json, IsEmpty());
  EXPECT_EQ(none.json_limit.count, 1024U * 1024);
}

TEST(RequestChanges, PlantInQueryAndBody) {
  const RequestChanges planted = changes_of(
      "set_query: {query_id: \"{request.id}\", \"a b\": \"x-{path.id}\"}, "
      "set_json: {rid: \"{request.id}\", metadata.tags.origin: hangup, metadata.n: "
      "\"{request.query.n|raw|0}\"}, "
      "json_limit: 64KiB");
  ASSERT_EQ(planted.set_query.size(), 2U);
  EXPECT_EQ(planted.set_query[0].first, "query_id");
  EXPECT_EQ(planted.set_query[0].second.text(), "{request.id}");
  EXPECT_EQ(planted.set_query[1].first, "a b");
  ASSERT_EQ(planted.set_json.size(), 3U);
  EXPECT_EQ(planted.set_json[0].first, "rid");
  EXPECT_EQ(planted.set_json[1].first, "metadata.tags.origin");
  EXPECT_EQ(planted.set_json[2].second.text(), "{request.query.n|raw|0}");
  EXPECT_EQ(planted.json_limit.count, 64U * 1024);
}

TEST(RequestChanges, UseWhatIsKnownBeforeTheRequestIsSent) {
  for (const std::string key : {"set_query", "set_json"}) {
    expect_problem(with_request(key + ": {a: \"x§{response.status}\"}"),
                   "{response.status} is not known here, before the response has come");
    for (const std::string name : {"request.json.id", "response.json.id"}) {
      expect_problem(with_request(key + ": {a: \"§{" + name + "}\"}"),
                     "{" + name + "} is not known here, before the body has passed: cleanups know it");
    }
    expect_problem(with_request(key + ": {a: \"§{path.di}\"}"),
                   StartsWith("{path.di} is not captured by this route's path `/q/{id}`"));
    expect_problem(with_request(key + ": {a: \"§{request.idd}\"}"),
                   StartsWith("unknown variable {request.idd}"));
    expect_problem(with_request(key + ": {a: §[1]}"), "`a`: found a list, expected a text");
  }
  expect_problem(with_request("set_query: §x"),
                 "`set_query`: found `x`, expected a mapping of parameters to values");
  expect_problem(with_request("set_json: §[rid]"),
                 "`set_json`: found a list, expected a mapping of fields to values");
}

TEST(RequestChanges, AQueryStaysAQuery) {
  expect_problem(with_request("set_query: {§\"\": x}"), "`set_query`: a parameter without a name");
  for (const std::string bad : {"a b", "a&b=c", "a#b", "a\\r\\n", "\xc3\xa9", "{request.id}&x"}) {
    expect_problem(with_request("set_query: {a: §\"" + bad + "\"}"),
                   "a blank, &, # or another character that the value of a query parameter can't have; "
                   "percent-encode it");
  }
  EXPECT_THAT(problems(with_request("set_query: {a: \"%20=/?{request.header.x|a b}\"}")), IsEmpty());
}

TEST(RequestChanges, FieldsArePathsOfKeys) {
  for (const std::string bad : {"", ".a", "a.", "a..b", "."}) {
    expect_problem(with_request("set_json: {§\"" + bad + "\": x}"),
                   "`set_json`: `" + bad +
                       "` has an empty part; expected the path of a field, such as rid or metadata.rid");
  }
  expect_problem(with_request("set_json: {§a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q: x}"),
                 EndsWith(" has more than 16 parts"));
}

TEST(RequestChanges, NoFieldIsInsideOfAnother) {
  expect_problem(with_request("set_json: {a.b: x, §a.b.c: y}"),
                 "`set_json`: `a.b.c` is inside of `a.b`, which has a value of its own");
  expect_problem(with_request("set_json: {§a.b.c: y, a: x}"),
                 "`set_json`: `a.b.c` is inside of `a`, which has a value of its own");
  EXPECT_THAT(problems(with_request("set_json: {a.b: x, a.c: y, ab: z, a.bc: z}")), IsEmpty());
}

TEST(RequestChanges, AValueIsAJsonStringOrOneRawVariable) {
  expect_problem(with_request("set_json: {a: §\"x{request.query.n|raw}\"}"),
                 "{request.query.n|raw} inside of a string could end it; expected {request.query.n}, or "
                 "{request.query.n|raw} alone if its value is JSON");
  expect_problem(with_request("set_json: {a: §\"{request.query.n|raw|no}\"}"),
                 "the default of {request.query.n|raw} is not JSON: found `no`, expected such as null, 0 or "
                 "\"text\"");
  EXPECT_THAT(problems(with_request("set_json: {a: '{request.query.n|raw|\"no\"}'}")), IsEmpty());
  for (const std::string bad : {"'say \"hi\"'", "'C:\\dir'", "'\\{request.id}'", "\"\\t\""}) {
    expect_problem(with_request("set_json: {a: §" + bad + "}"),
                   HasSubstr("not fit for the inside of a JSON string"));
  }
  EXPECT_THAT(problems(with_request("set_json: {a: 'say \\\"hi\\\" {request.id|\"}'}")), IsEmpty());
}

TEST(RequestChanges, TheLimitIsASize) {
  expect_problem(with_request("json_limit: §0"), "`json_limit`: found `0`, expected a size from 1 to 64MiB");
  expect_problem(with_request("json_limit: §1GiB"),
                 "`json_limit`: found `1GiB`, expected a size from 1 to 64MiB");
}

}  // namespace
}  // namespace hangup::config
