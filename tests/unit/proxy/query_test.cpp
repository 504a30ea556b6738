#include "proxy/query.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace hangup::proxy {
namespace {

// {path.NAME} by its name; anything else has no value.
struct Source final : config::VariableSource {
  std::map<std::string, std::string> values = {};
  std::optional<std::string_view> value(const config::VariableRef& ref, std::string&) const override {
    const auto found = values.find(ref.name);
    return found == values.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  }
};

std::string changed(std::string_view query, const std::string& name, const std::string& text,
                    const std::string& value = "v") {
  Source source;
  source.values["x"] = value;
  std::string out;
  append_changed_query(out, query, {{name, *config::Template::parse(text)}}, source);
  return out;
}

TEST(Query, GetsAParameterAtItsEnd) {
  EXPECT_EQ(changed("", "job", "{path.x}"), "job=v");
  EXPECT_EQ(changed("a=1&b=2", "job", "{path.x}"), "a=1&b=2&job=v");
  EXPECT_EQ(changed("a=1", "my job", "n-{path.x}"), "a=1&my%20job=n-v");
}

TEST(Query, LosesEveryParameterOfThatName) {
  EXPECT_EQ(changed("job=1&a=1&job&j%6Fb=3&b=2&job=", "job", "{path.x}"), "a=1&b=2&job=v");
  EXPECT_EQ(changed("my+job=1&my%20job=2", "my job", "{path.x}"), "my%20job=v");
}

TEST(Query, KeepsTheOthersByteForByte) {
  const std::string odd = "a=%41+%zz&&=x&JOB=1&job%3D=2&x=job=3&b&%&c=1&";
  EXPECT_EQ(changed(odd, "job", "{path.x}"), odd + "&job=v");
}

TEST(Query, LosesAParameterWhoseTemplateHasNoValue) {
  EXPECT_EQ(changed("job=1&a=1", "job", "{path.none}"), "a=1");
  EXPECT_EQ(changed("job=1", "job", "{path.none}"), "");
  EXPECT_EQ(changed("a=1", "job", "{path.none|no one}"), "a=1&job=no%20one");
  EXPECT_EQ(changed("a=1", "job", "{path.x}", ""), "a=1&job=");
}

TEST(Query, IsNotBrokenOutOf) {
  EXPECT_EQ(changed("", "job", "{path.x}", std::string("a&b=c#d%2e\r\n\0\"\xff\xc3\xa4/../", 21)),
            "job=a%26b%3Dc%23d%252e%0D%0A%00%22%FF%C3%A4%2F..%2F");
  const std::string large(1 << 20, '&');
  EXPECT_EQ(changed("", "job", "{path.x}", large).size(), 4 + 3 * large.size());
}

TEST(Query, TakesARawValueOnlyIfItStaysInsideOfIt) {
  EXPECT_EQ(changed("", "job", "{path.x|raw}", "a%20b=c"), "job=a%20b=c");
  for (const std::string value : {"a&b", "a b", "a#b", "a\r\nb", "\xc3\xa4"}) {
    EXPECT_EQ(changed("a=1", "job", "{path.x|raw}", value), "a=1");
  }
}

TEST(Query, HasItsParametersDecoded) {
  std::string scratch;
  EXPECT_EQ(query_parameter("a=1&b=x+y%2f&b=2", "b", scratch), "x y/");
  EXPECT_EQ(query_parameter("a", "a", scratch), "");
  EXPECT_EQ(query_parameter("a=1", "b", scratch), std::nullopt);
  EXPECT_EQ(query_parameter("", "", scratch), std::nullopt);
}

}  // namespace
}  // namespace hangup::proxy
