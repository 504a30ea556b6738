#include "proxy/json_capture.h"

#include "unit/http/pieces.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hangup::proxy {
namespace {

using Values = std::map<std::string, std::string>;

// A route whose cleanup names these fields of the response.
config::Route route_naming(const std::vector<std::string>& paths) {
  std::string body;
  for (const std::string& path : paths) body += "{response.json." + path + "}";
  auto cleanup = std::make_shared<config::Cleanup>();
  cleanup->body = *config::Template::parse(body);
  config::Route route;
  route.on_disconnect.cleanups = {cleanup};
  return route;
}

Values captured(const std::vector<std::string>& paths, std::string_view body, const http::Cuts& cuts,
                JsonIn where = JsonIn::body) {
  const CapturePlan plan(route_naming(paths), config::Variable::response_json);
  JsonCapture capture(plan, where);
  std::size_t at = 0;
  for (const std::size_t end : cuts) {
    capture.feed(std::string(body.substr(at, end - at)));  // gone after the call
    at = end;
  }
  Values values;
  for (const std::string& path : paths) {
    if (const auto value = capture.value(path)) values[path] = *value;
  }
  return values;
}

// However the body is cut; fails if that makes a difference.
Values captured(const std::vector<std::string>& paths, std::string_view body, JsonIn where = JsonIn::body) {
  const Values values = captured(paths, body, http::in_one_piece(body), where);
  if (body.size() < 300) {
    for (const http::Cuts& cuts : http::all_ways(body)) EXPECT_EQ(captured(paths, body, cuts, where), values);
  }
  return values;
}

TEST(JsonCapture, GivesStringsUnescapedAndAnythingElseAsWritten) {
  EXPECT_EQ(
      captured({"s", "n", "t", "z", "o", "a"},
               R"({"s":"a\"\u00e4\ud83d\ude00\n","n":-1.50e+3,"t":true,"z":null,"o":{ "x" : 1},"a":[1, 2]})"),
      (Values{{"s", "a\"\xc3\xa4\xf0\x9f\x98\x80\n"},
              {"n", "-1.50e+3"},
              {"t", "true"},
              {"z", "null"},
              {"o", "{ \"x\" : 1}"},
              {"a", "[1, 2]"}}));
}

TEST(JsonCapture, FollowsKeysAndIndexes) {
  EXPECT_EQ(captured({"metadata.ids.0", "metadata.ids.2", "ids.1.id", "0"},
                     R"({"ids":[{"id":"no"},{"x":[1,2,3],"id":"b"},{"id":"no"}],"0":"key",)"
                     R"("metadata":{"x":{"ids":["no"]},"ids":["a"]}})"),
            (Values{{"metadata.ids.0", "a"}, {"ids.1.id", "b"}, {"0", "key"}}));
}

TEST(JsonCapture, TakesNoFieldOfTheSameNameElsewhere) {
  EXPECT_EQ(captured({"id"}, R"({"a":{"id":1},"b":[{"id":2}],"c":["id",3],"idx":4,"i":5,"":6})"), Values{});
  EXPECT_EQ(captured({"a.id"}, R"({"id":1,"b":{"id":2},"a":[{"id":3}],"c":{"a":{"id":4}}})"), Values{});
  EXPECT_EQ(captured({"id"}, R"([{"id":1}])"), Values{});
}

TEST(JsonCapture, FindsAKeyThatIsEscaped) {
  EXPECT_EQ(captured({"id"}, R"({"\u0069\u0064":"x"})"), (Values{{"id", "x"}}));
}

TEST(JsonCapture, TakesOneFieldInsideOfAnother) {
  EXPECT_EQ(captured({"a", "a.b"}, R"({"a":{"b":1}})"), (Values{{"a", R"({"b":1})"}, {"a.b", "1"}}));
}

TEST(JsonCapture, TakesTheLastOfSeveral) {
  EXPECT_EQ(captured({"id"}, R"({"id":1,"id":2})"), (Values{{"id", "2"}}));
  EXPECT_EQ(captured({"a.id"}, R"({"a":{"id":1},"a":{"id":2}})"), (Values{{"a.id", "2"}}));
  EXPECT_EQ(captured({"id"}, R"({"id":1,"id":"cut o)"), (Values{{"id", "1"}}));
}

TEST(JsonCapture, HasAValueAsSoonAsItIsWhole) {
  const CapturePlan plan(route_naming({"id"}), config::Variable::response_json);
  JsonCapture capture(plan, JsonIn::body);
  EXPECT_FALSE(capture.feed(R"({"id":"abc)"));
  EXPECT_EQ(capture.value("id"), std::nullopt);
  EXPECT_TRUE(capture.feed("\""));
  EXPECT_EQ(capture.value("id"), "abc");
  EXPECT_FALSE(capture.feed(",,, no JSON"));
  EXPECT_EQ(capture.value("id"), "abc");
  EXPECT_TRUE(capture.done());
}

TEST(JsonCapture, KeepsNoValueThatIsTooLong) {
  const std::string most(JsonCapture::most_value - 2, 'x');
  EXPECT_EQ(captured({"id"}, R"({"id":")" + most + "\"}"), (Values{{"id", most}}));
  EXPECT_EQ(captured({"id"}, R"({"id":")" + most + "x\"}"), Values{});
  EXPECT_EQ(captured({"id", "b"}, R"({"id":")" + std::string(60'000, 'x') + "\",\"b\":1}"),
            (Values{{"b", "1"}}));
  const std::string key(60'000, 'k');
  EXPECT_EQ(captured({"id"}, "{\"" + key + "\":1,\"id\":2}"), (Values{{"id", "2"}}));
}

TEST(JsonCapture, LooksAtTheFirst64KiBOnly) {
  const std::string tail = R"("id":1 )";
  const auto padded = [&](std::size_t size) { return "{" + std::string(size - 1 - tail.size(), ' ') + tail; };
  EXPECT_EQ(captured({"id"}, padded(JsonCapture::most_body) + "}"), (Values{{"id", "1"}}));
  EXPECT_EQ(captured({"id"}, padded(JsonCapture::most_body + 2) + "}"), Values{});
}

TEST(JsonCapture, TakesTheFirstEventOfAStream) {
  const auto first = [](std::string_view body) { return captured({"id"}, body, JsonIn::first_event); };
  const Values found{{"id", "1"}};
  EXPECT_EQ(first("data: {\"id\":1}\n\ndata: {\"id\":2}\n\n"), found);
  EXPECT_EQ(first("data:{\"id\":1}\r\rdata:{\"id\":2}\r\r"), found);
  EXPECT_EQ(first("\xef\xbb\xbf"
                  "data: {\"id\":1}\r\n\r\ndata: {\"id\":2}\r\n\r\n"),
            found);
  EXPECT_EQ(first(": data\nevent: x\nid: 7\ndatax: 5\nda\nretry: 1\ndata: {\ndata: "
                  "\"id\"\ndata\ndata::\ndata:1}\n\n"),
            found);
  EXPECT_EQ(first("\n\n: no data yet\n\nevent: x\n\ndata: {\"id\":1}\n\n"), found);
  EXPECT_EQ(first("data: [DONE]\n\ndata: {\"id\":2}\n\n"), Values{});
  EXPECT_EQ(first("data\n\ndata: {\"id\":2}\n\n"), Values{});
  EXPECT_EQ(first(" data: {\"id\":2}\n\n"), Values{});
  EXPECT_EQ(first("data: {\"id\":1}"), found);
}

TEST(JsonCapture, TakesTheFirstLine) {
  EXPECT_EQ(captured({"id"}, "{\"id\":1}\n{\"id\":2}\n", JsonIn::first_line), (Values{{"id", "1"}}));
  EXPECT_EQ(captured({"id"}, "{\"id\":\n1}\n", JsonIn::first_line), Values{});
}

TEST(JsonCapture, SurvivesEveryShapeOfNesting) {
  const std::string deep = std::string(200, '[');
  EXPECT_EQ(captured({"a.0.0.0", "id"}, "{\"id\":5,\"a\":" + deep), (Values{{"id", "5"}}));
  EXPECT_EQ(captured({"a.0.b.1.c"}, R"({"a":[{"b":[{"c":1},{"c":2},{"c":3}]},{"b":[0,{"c":4}]}]})"),
            (Values{{"a.0.b.1.c", "2"}}));
}

JsonIn where(std::vector<http::Field> list) {
  http::Fields fields;
  for (const http::Field& field : list) fields.add(field.name, field.value);
  return json_in(fields);
}

TEST(JsonCapture, GoesByTheMediaType) {
  EXPECT_EQ(where({{"Content-Type", "Application/JSON; charset=utf-8"}}), JsonIn::body);
  EXPECT_EQ(where({{"content-type", "application/problem+json"}}), JsonIn::body);
  EXPECT_EQ(where({{"Content-Type", "text/event-stream;charset=utf-8"}}), JsonIn::first_event);
  EXPECT_EQ(where({{"Content-Type", "application/x-ndjson"}}), JsonIn::first_line);
  EXPECT_EQ(where({{"Content-Type", "application/json"}, {"Content-Encoding", "identity"}}), JsonIn::body);
  EXPECT_EQ(where({{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}}), JsonIn::nothing);
  EXPECT_EQ(where({{"Content-Type", "text/plain"}}), JsonIn::nothing);
  EXPECT_EQ(where({{"Content-Type", "application/jsonx"}}), JsonIn::nothing);
  EXPECT_EQ(where({{"Content-Type", "application/json"}, {"Content-Type", "text/plain"}}), JsonIn::nothing);
  EXPECT_EQ(where({}), JsonIn::nothing);
}

TEST(CapturePlan, HasWhatTheCleanupsNameOnce) {
  config::Route route = route_naming({"a", "b.0"});
  auto cleanup = std::make_shared<config::Cleanup>();
  cleanup->url = *config::Template::parse("http://h/{response.json.a}/{request.json.c}/{path.x}");
  cleanup->headers = {{"X", *config::Template::parse("{response.json.d}")}};
  route.on_disconnect.cleanups.push_back(cleanup);
  const auto names = [&](config::Variable variable) {
    std::string all;
    const CapturePlan plan(route, variable);
    for (const auto& path : plan.paths()) all += path.name + ' ';
    return all;
  };
  EXPECT_EQ(names(config::Variable::response_json), "a b.0 d ");
  EXPECT_EQ(names(config::Variable::request_json), "c ");
  EXPECT_TRUE(CapturePlan(config::Route(), config::Variable::request_json).empty());
}

}  // namespace
}  // namespace hangup::proxy
