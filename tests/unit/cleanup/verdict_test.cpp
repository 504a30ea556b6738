#include "cleanup/verdict.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;

TEST(Verdict, FollowsTheContractForEveryStatus) {
  const std::set<int> temporary = {408, 425, 429};
  for (int status = 0; status < 1000; ++status) {
    Verdict expected = Verdict::retry;
    if (status / 100 == 2) expected = Verdict::done;
    if (status / 100 == 4 && !temporary.contains(status)) expected = Verdict::final;
    EXPECT_EQ(verdict_of(status), expected) << status;
  }
}

TEST(Verdict, AnOkStatusAcknowledgesWhateverItIs) {
  const std::vector<int> ok = {404, 503, 302};
  for (const int status : ok) EXPECT_EQ(verdict_of(status, ok), Verdict::done) << status;
  EXPECT_EQ(verdict_of(409, ok), Verdict::final);
  EXPECT_EQ(verdict_of(500, ok), Verdict::retry);
}

class RetryAfter : public testing::Test {
 protected:
  const WallTime now = WallTime(784'111'777s) + 500ms;  // 1994-11-06T08:49:37.5Z
  std::optional<Duration> parse(std::string_view value) { return parse_retry_after(value, now); }
};

TEST_F(RetryAfter, InSeconds) {
  EXPECT_EQ(parse("0"), 0s);
  EXPECT_EQ(parse("120"), 120s);
}

TEST_F(RetryAfter, AsAnyFormOfHttpDate) {
  EXPECT_EQ(parse("Sun, 06 Nov 1994 08:50:37 GMT"), 60s);
  EXPECT_EQ(parse("Sunday, 06-Nov-94 08:50:37 GMT"), 60s);
  EXPECT_EQ(parse("Sun Nov  6 08:50:37 1994"), 60s);
}

TEST_F(RetryAfter, APastDateIsNow) {
  EXPECT_EQ(parse("Sun, 06 Nov 1994 08:49:36 GMT"), 0s);
}

TEST_F(RetryAfter, IsNeverMoreThanAnHour) {
  EXPECT_EQ(parse("3601"), 1h);
  EXPECT_EQ(parse("99999999999999999999999999999999999999"), 1h);
  EXPECT_EQ(parse("Fri, 31 Dec 9999 23:59:59 GMT"), 1h);
}

TEST_F(RetryAfter, NonsenseIsNothing) {
  for (const char* value : {"", " ", "-1", "1.5", "1s", "soon", "Sun, 06 Nov 1994 08:50:37",
                            "Sun, 06 Nov 1994 08:50:37 CET", "Sun, 06 Nov 1994 08:50:37 GMT and more"}) {
    EXPECT_EQ(parse(value), std::nullopt) << value;
  }
}

}  // namespace
}  // namespace hangup::cleanup
