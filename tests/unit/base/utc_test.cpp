#include <gtest/gtest.h>

#include <chrono>

#include <hangup/base/hex.h>
#include <hangup/base/utc.h>

namespace hangup {
namespace {

using namespace std::chrono_literals;

TEST(Utc, IsRfc3339) {
  const WallTime time(1'767'225'599s + 999'999us);  // the last second of 2025
  EXPECT_EQ(utc_seconds(time), "2025-12-31T23:59:59Z");
  EXPECT_EQ(utc_milliseconds(time), "2025-12-31T23:59:59.999Z");
  EXPECT_EQ(utc_milliseconds(WallTime(5ms)), "1970-01-01T00:00:00.005Z");
}

TEST(Utc, OfASecondIsMadeAnewOnlyForAnother) {
  static int made = 0;
  SecondText text([](WallTime time) {
    ++made;
    return utc_seconds(time);
  });
  EXPECT_EQ(text.at(WallTime(0s)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(text.at(WallTime(999ms)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(made, 1);
  EXPECT_EQ(text.at(WallTime(1s)), "1970-01-01T00:00:01Z");
  EXPECT_EQ(text.at(WallTime(0s)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(made, 3);
}

TEST(Hex, HasDigitsOfEitherCaseAndNothingElse) {
  EXPECT_EQ(hex_digit_value('0'), 0);
  EXPECT_EQ(hex_digit_value('f'), 15);
  EXPECT_EQ(hex_digit_value('A'), 10);
  for (const char c : {'g', 'G', '/', ':', '@', '`', ' ', '\0', '\xff'}) EXPECT_EQ(hex_digit_value(c), -1);
}

}  // namespace
}  // namespace hangup
