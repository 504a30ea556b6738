#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include <hangup/config/template.h>

namespace hangup::config {
namespace {

using Values = std::map<std::string, std::string>;
using testing::HasSubstr;

Template compiled(std::string_view text) {
  auto result = Template::parse(text);
  if (!result) {
    ADD_FAILURE() << text << ": " << result.error().message;
    return {};
  }
  return std::move(*result);
}

// The rendered text, or "! " and the error.
std::string rendered(std::string_view text, Place place, const Values& values = {}) {
  const auto result = compiled(text).render(FakeSource(values), place);
  return result ? *result : "! " + result.error();
}

// "offset: message" of the error.
std::string template_fault(std::string_view text) {
  const auto result = Template::parse(text);
  return result ? "none" : std::to_string(result.error().offset) + ": " + result.error().message;
}

VariableRef only_variable(std::string_view text) {
  const auto result = compiled(text);
  if (result.segments().size() != 1 || result.is_literal()) {
    ADD_FAILURE() << text;
    return {};
  }
  return std::get<VariableRef>(result.segments().front());
}

TEST(Template, KnowsEveryVariable) {
  const std::vector<std::pair<std::string, Variable>> all = {
      {"request.id", Variable::request_id},
      {"request.method", Variable::request_method},
      {"request.path", Variable::request_path},
      {"request.query", Variable::request_query},
      {"request.query.page", Variable::request_query_parameter},
      {"request.header.X-Job", Variable::request_header},
      {"request.host", Variable::request_host},
      {"path.id", Variable::path_capture},
      {"client.ip", Variable::client_ip},
      {"client.port", Variable::client_port},
      {"client.subject", Variable::client_subject},
      {"auth.name", Variable::auth_name},
      {"response.status", Variable::response_status},
      {"response.header.x-query-id", Variable::response_header},
      {"request.json.metadata.ids.0", Variable::request_json},
      {"response.json.id", Variable::response_json},
      {"route", Variable::route},
      {"upstream.server", Variable::upstream_server},
      {"outcome", Variable::outcome},
      {"phase", Variable::phase},
      {"time", Variable::time},
  };
  for (const auto& [name, variable] : all) {
    const VariableRef ref = only_variable("{" + name + "}");
    EXPECT_EQ(ref.variable, variable) << name;
    EXPECT_EQ(variable_name(ref), name);
    EXPECT_FALSE(ref.raw);
    EXPECT_FALSE(ref.fallback);
    EXPECT_EQ(rendered("<{" + name + "}>", Place::header, {{name, "value"}}), "<value>");
  }
}

TEST(Template, ALiteralHasNoVariables) {
  EXPECT_TRUE(compiled("").is_literal());
  EXPECT_TRUE(compiled("http://127.0.0.1/").is_literal());
  EXPECT_FALSE(compiled("/{route}").is_literal());
  EXPECT_EQ(rendered("", Place::text), "");
  EXPECT_EQ(compiled("/{route}").text(), "/{route}");
}

TEST(Template, BracesThatStartNoVariableStandForThemselves) {
  EXPECT_EQ(rendered(R"({"a": {"b": 1}, "c": {}})", Place::json), R"({"a": {"b": 1}, "c": {}})");
  EXPECT_EQ(rendered("}{1}{", Place::text), "}{1}{");
  EXPECT_EQ(rendered("{{route}", Place::text), "{route}");
  EXPECT_EQ(rendered("{{{route}", Place::text, {{"route", "r"}}), "{r");
}

TEST(Template, ADefaultStandsInForAValueThatIsNotThere) {
  EXPECT_EQ(rendered("{request.header.x|none}", Place::header), "none");
  EXPECT_EQ(rendered("{request.header.x|none}", Place::header, {{"request.header.x", "v"}}), "v");
  EXPECT_EQ(rendered("<{request.header.x|}>", Place::header), "<>");
  EXPECT_EQ(rendered("{request.header.x|a|b}", Place::header), "a|b");
  EXPECT_EQ(rendered("{request.header.x}", Place::header), "! {request.header.x} has no value");
}

TEST(Template, RawIsNotTheDefault) {
  const VariableRef plain = only_variable("{route|raw}");
  EXPECT_TRUE(plain.raw);
  EXPECT_FALSE(plain.fallback);
  const VariableRef both = only_variable("{route|raw|}");
  EXPECT_TRUE(both.raw);
  EXPECT_EQ(both.fallback, "");
  EXPECT_EQ(only_variable("{route|rawhide}").fallback, "rawhide");
  EXPECT_EQ(only_variable("{route|raw|raw}").fallback, "raw");
}

TEST(Template, AnUnknownVariableNamesTheNearest) {
  EXPECT_EQ(template_fault("/jobs/{request.idd}"),
            "6: unknown variable {request.idd}: did you mean {request.id}?");
  EXPECT_EQ(template_fault("{outcom}"), "0: unknown variable {outcom}: did you mean {outcome}?");
  EXPECT_EQ(template_fault("{request.headers.x-a}"),
            "0: unknown variable {request.headers.x-a}: did you mean {request.header.x-a}?");
  EXPECT_EQ(template_fault("{pth.id}"), "0: unknown variable {pth.id}: did you mean {path.id}?");
  EXPECT_EQ(template_fault("a{nonsense}"),
            "1: unknown variable {nonsense}; a plain { before a letter is written {{");
  EXPECT_EQ(template_fault("{respose.json.id}"),
            "0: unknown variable {respose.json.id}: did you mean {response.json.id}?");
}

TEST(Template, AFieldOfAJsonBodyHasAPathOf1To16Keys) {
  EXPECT_EQ(template_fault("{request.json.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p}"), "none");
  EXPECT_EQ(template_fault("{request.json.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q}"),
            "0: {request.json.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q} has more than 16 parts");
  EXPECT_EQ(template_fault("{response.json.job id.x-y|none}"), "none");
  for (const std::string path : {".a", "a.", "a..b", "."}) {
    EXPECT_EQ(template_fault("x{response.json." + path + "}"),
              "1: {response.json." + path +
                  "} has an empty part: a field's path is keys with one dot between two of them");
  }
  for (const std::string family : {"response.json", "request.header"}) {
    EXPECT_EQ(template_fault("{" + family + "}"),
              "0: {" + family + "} lacks the name of what is meant: write {" + family + ".NAME}");
  }
}

TEST(Template, APathWithoutItsServerIsNotClimbedEither) {
  const auto url = [](std::string_view text, const std::string& value) {
    return rendered(text, Place::url, {{"path.id", value}});
  };
  EXPECT_EQ(url("/jobs/{path.id}?x={path.id}", "a b"), "/jobs/a%20b?x=a%20b");
  EXPECT_THAT(url("/jobs/{path.id}", ".."), HasSubstr("dot segment"));
  EXPECT_THAT(url("/{path.id}/jobs/http://h", ".."), HasSubstr("dot segment"));
  EXPECT_EQ(url("/jobs/{path.id}", ""), "! {path.id} has no value");
}

TEST(Template, ASecretIsRenderedButNotShown) {
  const Template secret = Template::secret("a {route} b", "(from /run/x)");
  EXPECT_TRUE(secret.is_literal());
  EXPECT_EQ(secret.render(FakeSource(std::map<std::string, std::string>()), Place::header), "a {route} b");
  EXPECT_EQ(secret.as_written().render(FakeSource(std::map<std::string, std::string>()), Place::header),
            "(from /run/x)");
  EXPECT_EQ(compiled("a {route}").as_written().text(), "a {route}");
}

TEST(Template, AVariableMustBeWhole) {
  EXPECT_EQ(template_fault("ab{route"),
            "2: a variable without its }; a plain { before a letter is written {{");
  EXPECT_EQ(template_fault("{path.}"), "0: {path.} lacks the name of what is meant: write {path.NAME}");
  EXPECT_EQ(template_fault("{request.header.x y}"), "0: {request.header.x y} names no valid header");
}

TEST(Template, AUrlGetsValuesPercentEncoded) {
  const auto url = [](const std::string& value) {
    return rendered("http://h/{path.id}?q={path.id}", Place::url, {{"path.id", value}});
  };
  EXPECT_EQ(url("a b"), "http://h/a%20b?q=a%20b");
  EXPECT_EQ(url("..a/?#&%/\"'"), "http://h/..a%2F%3F%23%26%25%2F%22%27?q=..a%2F%3F%23%26%25%2F%22%27");
  EXPECT_EQ(url(std::string("\r\n\0", 3)), "http://h/%0D%0A%00?q=%0D%0A%00");
  EXPECT_EQ(url("\xc3\xa9"), "http://h/%C3%A9?q=%C3%A9");
  EXPECT_EQ(url("A-z.0_~"), "http://h/A-z.0_~?q=A-z.0_~");
}

TEST(Template, AUrlsPathIsNeitherEmptiedNorClimbed) {
  const auto url = [](std::string_view text, const std::string& value) {
    return rendered(text, Place::url, {{"path.id", value}});
  };
  EXPECT_EQ(url("http://h/jobs/{path.id}", ""), "! {path.id} has no value");
  EXPECT_EQ(url("http://h/jobs/{path.id|all}", ""), "http://h/jobs/all");
  EXPECT_EQ(url("http://h/jobs?id={path.id}", ""), "http://h/jobs?id=");
  for (const std::string dots : {".", ".."}) {
    EXPECT_THAT(url("http://h/jobs/{path.id}", dots), HasSubstr("dot segment"));
    EXPECT_THAT(url("http://h/jobs/{path.id}/x", dots), HasSubstr("dot segment"));
    EXPECT_THAT(url("http://h/jobs/{path.id}?x", dots), HasSubstr("dot segment"));
    EXPECT_EQ(url("http://h/jobs/a{path.id}", dots), "http://h/jobs/a" + dots);
    EXPECT_EQ(url("http://h/jobs?{path.id}", dots), "http://h/jobs?" + dots);
  }
  EXPECT_THAT(url("http://h/jobs/.{path.id}", "."), HasSubstr("dot segment"));
  EXPECT_THAT(url("http://h/jobs/{path.id|raw}", "a/%2e%2E/b"), HasSubstr("dot segment"));
  EXPECT_EQ(url("http://h/jobs/{path.id}", "..."), "http://h/jobs/...");
  for (const std::string climbing : {"../../admin", "a/..", "a\\..\\b", "a/./b"}) {
    EXPECT_THAT(url("http://h/jobs/{path.id}/x", climbing), HasSubstr("dot segment")) << climbing;
  }
  EXPECT_EQ(url("http://h/jobs/{path.id}/x", "a/b"), "http://h/jobs/a%2Fb/x");
}

TEST(Template, ARawValueInAUrlStaysWithinTheRequestLine) {
  const auto url = [](const std::string& value) {
    return rendered("http://h{request.path|raw}", Place::url, {{"request.path", value}});
  };
  EXPECT_EQ(url("/a/b%20c?d=e&f"), "http://h/a/b%20c?d=e&f");
  for (const std::string bad : {"/a b", "/a\r\nX: y", "/\xc3\xa9", "/\x7f"}) {
    EXPECT_EQ(url(bad), "! {request.path} has a character that a URL can't have");
  }
  EXPECT_EQ(url(std::string("/\0", 2)), "! {request.path} has a character that a URL can't have");
}

TEST(Template, AHeaderRefusesLineBreaksAndNul) {
  const auto header = [](const std::string& value, std::string_view text = "<{route}>") {
    return rendered(text, Place::header, {{"route", value}});
  };
  EXPECT_EQ(header("a \"b\" %20 \xc3\xa9 {outcome}"), "<a \"b\" %20 \xc3\xa9 {outcome}>");
  EXPECT_EQ(header(""), "<>");
  for (const std::string& bad : {std::string("\r"), std::string("\n"), std::string("a\0b", 3)}) {
    EXPECT_EQ(header(bad), "! {route} has a CR, LF or NUL, which a header can't have");
    EXPECT_EQ(header(bad, "{route|raw}"), "! {route} has a CR, LF or NUL, which a header can't have");
  }
}

TEST(Template, JsonGetsValuesEscapedForTheInsideOfAString) {
  const auto json = [](const std::string& value, std::string_view text = R"({"v": "{route}"})") {
    return rendered(text, Place::json, {{"route", value}});
  };
  EXPECT_EQ(json(R"(", "admin": true, ")"), R"({"v": "\", \"admin\": true, \""})");
  EXPECT_EQ(json("\\"), R"({"v": "\\"})");
  EXPECT_EQ(json(std::string("\r\n\0", 3)), R"({"v": "\u000d\n\u0000"})");
  EXPECT_EQ(json("\xc3\xa9"), "{\"v\": \"\xc3\xa9\"}");
  EXPECT_EQ(json("\xff"), "{\"v\": \"\xef\xbf\xbd\"}");
  EXPECT_EQ(json(R"({"a": 1})", R"({"v": {route|raw}})"), R"({"v": {"a": 1}})");
  EXPECT_EQ(rendered(R"({"v": "{route|a"b}"})", Place::json), R"({"v": "a\"b"})");
}

TEST(Template, ATextRefusesAllButUnreservedCharacters) {
  const auto escaped = [](const std::string& value, std::string_view text = "KILL QUERY '{route}'") {
    return rendered(text, Place::text, {{"route", value}});
  };
  EXPECT_EQ(escaped("019-a.b_c~Z"), "KILL QUERY '019-a.b_c~Z'");
  for (const std::string bad : {"'", "a b", "%27", "\xc3\xa9", "a;b", "\n", "\""}) {
    EXPECT_EQ(escaped(bad), "! {route} has a character other than A-Z a-z 0-9 . _ ~ -") << bad;
    EXPECT_EQ(escaped(bad, "{route|raw}"), bad);
  }
  EXPECT_EQ(rendered("<{route|not known}>", Place::text), "<not known>") << "the author's own text";
}

// A mebibyte of all that is special anywhere: what comes out is what is allowed at its place, or nothing.
TEST(Template, AMebibyteBreaksOutOfNoPlace) {
  const std::string special("'\"\\{}%0a<>&?#/..;\r\n\xff\xc3\xa9\0x", 25);
  std::string hostile;
  while (hostile.size() < (1U << 20U)) hostile += special;
  const Values values = {{"route", hostile}};
  const std::string url = rendered("http://h/{route}?{route}", Place::url, values);
  EXPECT_EQ(url.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%:/?"),
            std::string::npos);
  EXPECT_EQ(std::ranges::count(url, '/'), 3);
  EXPECT_EQ(std::ranges::count(url, '?'), 1);
  const std::string json = rendered(R"({"a": "{route}", "b": 1})", Place::json, values);
  const auto document = nlohmann::json::parse(json);
  EXPECT_EQ(document.size(), 2U);
  EXPECT_EQ(document.at("b"), 1);
  EXPECT_TRUE(rendered("{route}", Place::header, values).starts_with("! "));
  EXPECT_TRUE(rendered("'{route}'", Place::text, values).starts_with("! "));
}

TEST(Template, AValueIsNotATemplateItself) {
  EXPECT_EQ(rendered("{route}{outcome}", Place::header, {{"route", "{outcome}"}, {"outcome", "{route}"}}),
            "{outcome}{route}");
}

}  // namespace
}  // namespace hangup::config
