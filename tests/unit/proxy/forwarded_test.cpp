// X-Forwarded-For and Forwarded, read from their ends.
#include "proxy/forwarded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hangup::proxy {
namespace {

using testing::ElementsAre;

TEST(ForwardedNode, IsAnAddressWithAPortOrWithout) {
  struct Case {
    std::string text, ip;
    std::uint16_t port;
  };
  for (const Case& each : {Case{"192.0.2.7", "192.0.2.7", 0},
                           {"192.0.2.7:4711", "192.0.2.7", 4711},
                           {"192.0.2.7:_obfuscated", "192.0.2.7", 0},
                           {"2001:db8::7", "2001:db8::7", 0},
                           {"2001:DB8:0::7", "2001:db8::7", 0},
                           {"[2001:db8::7]", "2001:db8::7", 0},
                           {"[2001:db8::7]:65535", "2001:db8::7", 65535},
                           {"::1", "::1", 0}}) {
    const auto node = parse_node(each.text);
    ASSERT_TRUE(node) << each.text;
    EXPECT_EQ(node->ip, each.ip) << each.text;
    EXPECT_EQ(node->port, each.port) << each.text;
  }
}

TEST(ForwardedNode, IsNothingElse) {
  for (const std::string text : {"",
                                 "unknown",
                                 "_hidden",
                                 "_SEVKISEK",
                                 "localhost",
                                 "example.com:80",
                                 "192.0.2",
                                 "192.0.2.7.8",
                                 "192.0.2.256",
                                 "192.0.2.7:",
                                 "192.0.2.7:65536",
                                 "192.0.2.7:-1",
                                 "192.0.2.7:80x",
                                 "192.0.2.7 ",
                                 " 192.0.2.7",
                                 "192.0.2.7/24",
                                 "[192.0.2.7]",
                                 "[192.0.2.7]:80",
                                 "[2001:db8::7",
                                 "2001:db8::7]",
                                 "[2001:db8::7]x",
                                 "[2001:db8::7]80",
                                 "[]",
                                 "[::1%lo]",
                                 "::1%lo",
                                 "2001:db8::g",
                                 "unix",
                                 "unix:",
                                 "unix:/run/x",
                                 "0x7f.1",
                                 "2130706433"}) {
    EXPECT_FALSE(parse_node(text)) << text;
  }
}

TEST(ForwardedList, IsTakenFromItsEnd) {
  std::string_view list = " a ,b,\tc d\t, ,e";
  std::vector<std::string> taken;
  while (!list.empty()) taken.emplace_back(take_last_member(list));
  EXPECT_THAT(taken, ElementsAre("e", "", "c d", "b", "a"));
}

// "node proto host", from the end; "?" for what is no element.
std::vector<std::string> elements_of(std::string_view field) {
  std::vector<std::string> elements;
  while (!field.empty()) {
    const auto element = take_last_element(field);
    elements.push_back(element ? element->node + " " + element->proto + " " + element->host : "?");
  }
  return elements;
}

TEST(ForwardedElements, AreReadAsRfc7239Says) {
  EXPECT_THAT(elements_of("for=192.0.2.60;proto=http;by=203.0.113.43"), ElementsAre("192.0.2.60 http "));
  EXPECT_THAT(elements_of("For=\"[2001:db8:cafe::17]:4711\""), ElementsAre("[2001:db8:cafe::17]:4711  "));
  EXPECT_THAT(elements_of("for=192.0.2.43, for=198.51.100.17"),
              ElementsAre("198.51.100.17  ", "192.0.2.43  "));
  EXPECT_THAT(elements_of("for=_gazonk;HOST=\"example.com:80\" ; Proto=https,for=unknown"),
              ElementsAre("unknown  ", "_gazonk https example.com:80"));
  EXPECT_THAT(elements_of("by=_x"), ElementsAre("  "));
  EXPECT_THAT(elements_of("for=\"a,b;c\";proto=x"), ElementsAre("a,b;c x "));
  EXPECT_THAT(elements_of(R"(for="a\"b\\";proto=x)"), ElementsAre(R"(a"b\ x )"));
  EXPECT_THAT(elements_of("for=1.2.3.4;"), ElementsAre("1.2.3.4  "));
}

TEST(ForwardedElements, ThatAreNoneEndTheField) {
  for (const std::string field :
       {"x", "for", "for=", "for =", "=1.2.3.4", "for=1.2.3.4 5", "for=1.2.3.4;for=5.6.7.8", "for=\"1.2.3.4",
        "1.2.3.4", "for=[::1]", "for=a b;proto=x", "for=\"a\"b", "for=1.2.3.4;proto", "for=\"a\\"}) {
    const auto found = elements_of(field);
    EXPECT_THAT(found, ElementsAre(field == "=1.2.3.4" ? "  " : "?")) << field;
  }
}

// A client can put what it likes before what the proxy appends.
TEST(ForwardedElements, AtTheEndAreReadTheSameWhateverStandsBefore) {
  for (const std::string before :
       {"for=\"1.2.3.4", "\"", "\\", "\\\"", "\"\\", "for=\"\\", "x=\"a,b", "=", "a=\"\"\"", ","}) {
    for (const auto& [end, seen] :
         {std::pair{"for=10.0.0.9;proto=https", "10.0.0.9 https "}, {"for=\"[::9]:80\"", "[::9]:80  "}}) {
      const auto found = elements_of(before + ", " + end);
      ASSERT_FALSE(found.empty());
      EXPECT_EQ(found.front(), seen) << before;
    }
  }
}

}  // namespace
}  // namespace hangup::proxy
