#include "proxy/json_edit.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace hangup::proxy {
namespace {

std::string edited(std::string_view document, std::string_view path, std::string_view value = "\"v\"") {
  auto result = with_field(document, path, value);
  EXPECT_TRUE(result) << document << ": " << result.error();
  return result.value_or("");
}

std::string fault(std::string_view document, std::string_view path) {
  const auto result = with_field(document, path, "\"v\"");
  EXPECT_FALSE(result) << document;
  return result ? "" : result.error();
}

TEST(JsonEdit, AppendsAMissingField) {
  EXPECT_EQ(edited("{}", "rid"), R"({"rid":"v"})");
  EXPECT_EQ(edited(" { } \n", "rid"), " {\"rid\":\"v\" } \n");
  EXPECT_EQ(edited("{\n  \"a\": 1\n}\n", "rid"), "{\n  \"a\": 1,\"rid\":\"v\"\n}\n");
}

TEST(JsonEdit, ReplacesAFieldInItsPlace) {
  EXPECT_EQ(edited(R"({"a":1,"rid" : "old" ,"b":2})", "rid"), R"({"a":1,"rid" : "v" ,"b":2})");
  EXPECT_EQ(edited(R"({"rid":{"x":["}"]}})", "rid"), R"({"rid":"v"})");
  EXPECT_EQ(edited(R"({"rid":12})", "rid"), R"({"rid":"v"})");
}

TEST(JsonEdit, FindsAFieldWhoseNameIsEscaped) {
  EXPECT_EQ(edited(R"({"r\u0069d":1})", "rid"), R"({"r\u0069d":"v"})");
}

TEST(JsonEdit, LeavesOneOfSeveralFields) {
  EXPECT_EQ(edited(R"({"rid":1, "a":2,"rid":3,"b":4})", "rid"), R"({"a":2,"rid":"v","b":4})");
  EXPECT_EQ(edited(R"({"rid":1,"rid":2 , "rid" :3})", "rid"), R"({"rid" :"v"})");
  EXPECT_EQ(edited(R"({"r\u0069d":{"rid":1},"rid":[]})", "rid"), R"({"rid":"v"})");
}

TEST(JsonEdit, GoesIntoObjects) {
  EXPECT_EQ(edited(R"({"m":{"rid":1,"x":2},"rid":3})", "m.rid"), R"({"m":{"rid":"v","x":2},"rid":3})");
  EXPECT_EQ(edited(R"({"m":{}})", "m.rid"), R"({"m":{"rid":"v"}})");
  EXPECT_EQ(edited(R"({"m":{"n":{"a":1}}})", "m.n.rid"), R"({"m":{"n":{"a":1,"rid":"v"}}})");
}

TEST(JsonEdit, MakesTheObjectsThatAreMissing) {
  EXPECT_EQ(edited("{}", "a.b.c"), R"({"a":{"b":{"c":"v"}}})");
  EXPECT_EQ(edited(R"({"a":{"x":0}})", "a.b.c"), R"({"a":{"x":0,"b":{"c":"v"}}})");
  EXPECT_EQ(edited("{}", "a\"\n.b"), R"({"a\"\n":{"b":"v"}})");
}

TEST(JsonEdit, ChangesEachOfSeveralObjectsOnTheWay) {
  EXPECT_EQ(edited(R"({"m":{"rid":1},"m":{}})", "m.rid"), R"({"m":{"rid":"v"},"m":{"rid":"v"}})");
}

TEST(JsonEdit, TouchesNothingElse) {
  const std::string rest =
      R"("big":123456789012345678901234567890.5e-7,"twice":1,"twice":2 ,	"u":"\u00e4\/" , "deep":[{"rid":1},[{"m":{"rid":2}}]])";
  EXPECT_EQ(edited('{' + rest + '}', "rid"), '{' + rest + R"(,"rid":"v"})");
  EXPECT_EQ(edited('{' + rest + '}', "m.rid"), '{' + rest + R"(,"m":{"rid":"v"}})");
}

TEST(JsonEdit, RefusesToGoThroughWhatIsNoObject) {
  EXPECT_EQ(fault(R"({"m":null})", "m.rid"), "m in it is not an object");
  EXPECT_EQ(fault(R"({"m":{"n":[{}]}})", "m.n.rid"), "m.n in it is not an object");
  EXPECT_EQ(fault(R"({"m":{},"m":1})", "m.rid"), "m in it is not an object");
}

TEST(JsonEdit, RefusesADocumentThatIsNoObject) {
  for (const std::string document : {"[]", "[{}]", "1", "null", "\"{}\""}) {
    EXPECT_EQ(fault(document, "rid"), "it is not an object") << document;
  }
}

TEST(JsonEdit, RefusesWhatIsNotJsonAndSaysWhere) {
  EXPECT_EQ(fault(R"({"a":1,})", "rid"), "it is not JSON: a key in quotes is missing at byte 7");
  EXPECT_EQ(fault("", "rid"), "it is not JSON: it ends too early at byte 0");
  EXPECT_EQ(fault("{} {}", "rid"), "it is not JSON: something follows its end at byte 3");
  EXPECT_EQ(fault(R"({"a":)" + std::string(500, '['), "rid"),
            "it is not JSON: it is nested too deeply at byte 132");
}

TEST(JsonEdit, MakesWhatALibraryWouldMake) {
  using nlohmann::json;
  for (const std::string document :
       {"{}", R"({"a":1})", R"({"a":{"b":{"c":[1,2,{"a":{}}]}}})", R"({"a":{"b":{}},"x":[{"a":{"b":1}}]})",
        R"({"a":{"b":{"c":1,"c":{"c":2}}},"b":{"c":3}})",
        R"({"x":{"a":{"b":{"c":0}}},"a":{"b":{"d":{}}}})"}) {
    json expected = json::parse(document);
    if (document != R"({"a":1})") {
      expected["a"]["b"]["c"] = "v";
      EXPECT_EQ(json::parse(edited(document, "a.b.c")), expected) << document;
    }
    expected = json::parse(document);
    expected["x"] = "v";
    EXPECT_EQ(json::parse(edited(document, "x")), expected) << document;
  }
}

}  // namespace
}  // namespace hangup::proxy
