#include <gtest/gtest.h>

#include <set>
#include <string>

#include <hangup/base/address.h>
#include <hangup/base/request_id.h>
#include <hangup/base/text.h>
#include <hangup/base/units.h>

namespace hangup {
namespace {

using namespace std::chrono_literals;

TEST(Durations, AreReadWithTheirUnit) {
  EXPECT_EQ(parse_duration("250ms"), Duration(250ms));
  EXPECT_EQ(parse_duration("30s"), Duration(30s));
  EXPECT_EQ(parse_duration("15m"), Duration(15min));
  EXPECT_EQ(parse_duration("1h"), Duration(1h));
  EXPECT_EQ(parse_duration("0"), Duration(0));
}

TEST(Durations, OfAnyOtherFormAreRefused) {
  for (const char* text : {"", "s", "5", "-5s", "+5s", "5 s", " 5s", "5s ", "1.5s", "5S", "5d", "1m30s",
                           "99999999999999999999s", "9223372036854775807h"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Durations, AreWrittenAsTheyAreRead) {
  for (const char* text : {"250ms", "30s", "15m", "1h", "90s", "1500ms"})
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  EXPECT_EQ(format_duration({}), "0s");
}

TEST(Sizes, AreReadWithTheirUnit) {
  EXPECT_EQ(parse_bytes("512"), Bytes{512});
  EXPECT_EQ(parse_bytes("32KiB"), Bytes{32768});
  EXPECT_EQ(parse_bytes("16MiB"), Bytes{16777216});
  EXPECT_EQ(parse_bytes("2GiB"), Bytes{2147483648});
  for (const char* text :
       {"", "KiB", "1KB", "1kib", "-1", "1 KiB", "18446744073709551616", "18446744073709551615GiB"}) {
    EXPECT_FALSE(parse_bytes(text)) << text;
  }
  EXPECT_EQ(format_bytes(Bytes{32768}), "32KiB");
  EXPECT_EQ(format_bytes(Bytes{0}), "0");
}

TEST(Addresses, AreReadAndWrittenAlike) {
  for (const char* text : {"127.0.0.1:8080", "0.0.0.0:0", "[::1]:65535", "unix:/run/x.sock"}) {
    const auto address = SocketAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(Addresses, OfAnyOtherFormAreRefusedWithWhatWasExpected) {
  for (const char* text : {"", "8080", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80",
                           "[::1]", "1.2.3:4", "unix:", "unix:relative"}) {
    const auto address = SocketAddress::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_NE(address.error().message.find("unix:/"), std::string::npos);
  }
  EXPECT_FALSE(SocketAddress::parse("unix:/" + std::string(200, 'x')));
}

TEST(Addresses, OfIpv4ClientsOnIpv6SocketsAreWrittenAsIpv4) {
  EXPECT_EQ(SocketAddress::parse("[::ffff:10.1.2.3]:80")->host(), "10.1.2.3");
}

TEST(Text, ComparesWithoutCaseInAsciiOnly) {
  EXPECT_TRUE(equals_ignoring_case("Content-Type", "content-TYPE"));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("@", "`"));
}

TEST(Text, PercentEncodesAllButUnreserved) {
  std::string out;
  append_percent_encoded(out, "aZ9-._~ /?&=%\xc3\xa9\n");
  EXPECT_EQ(out, "aZ9-._~%20%2F%3F%26%3D%25%C3%A9%0A");
}

// Wherever it stands in the words that are looked at as a whole.
TEST(Text, TheFrontThatNeedsNoEscapingIsFoundToItsLastByte) {
  for (std::size_t size = 0; size < 20; ++size) {
    EXPECT_EQ(plain_json_prefix(std::string(size, 'a')), size);
    for (std::size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(size, '~');
        text[at] = static_cast<char>(byte);
        const bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
        ASSERT_EQ(plain_json_prefix(text), plain ? size : at) << byte << " at " << at << " of " << size;
      }
    }
  }
}

TEST(Text, JsonEscapesAndMendsWhatIsNotUtf8) {
  std::string out;
  append_json_escaped(out, std::string_view("\"\\\n\x01\0\xc3\xa9\xff\xed\xa0\x80\xc3", 12));
  EXPECT_EQ(out,
            "\\\"\\\\\\n\\u0001\\u0000\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Text, FindsTheNearestName) {
  const std::string_view names[] = {"upstreams", "routes", "listeners"};
  EXPECT_EQ(nearest_name("upstrems", names), "upstreams");
  EXPECT_EQ(nearest_name("router", names), "routes");
  EXPECT_EQ(nearest_name("zzzzzz", names), "");
}

TEST(RequestIds, AreVersion7UuidsThatSortByTimeAndDiffer) {
  class FixedClock final : public Clock {
   public:
    MonoTime now() const override { return {}; }
    WallTime wall() const override { return WallTime(time); }
    std::chrono::milliseconds time{0x0123456789ab};
  } clock;
  UuidGenerator generator(clock);
  std::set<std::string> ids;
  std::string last;
  for (int i = 0; i < 500; ++i) {
    last = generator.next();
    ids.insert(last);
  }
  EXPECT_EQ(ids.size(), 500U);
  EXPECT_EQ(last.size(), 36U);
  EXPECT_EQ(last.substr(0, 15), "01234567-89ab-7");
  EXPECT_NE(std::string("89ab").find(last[19]), std::string::npos);
  ++clock.time;
  EXPECT_GT(generator.next(), *ids.rbegin());
}

}  // namespace
}  // namespace hangup
