#include "cleanup/backoff.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;

const config::Retry retry{.max_attempts = 100, .backoff_base = 200ms, .backoff_max = 10s};

std::uint64_t highest(std::uint64_t max) {
  return max;
}
std::uint64_t lowest(std::uint64_t) {
  return 0;
}

TEST(Backoff, CeilingDoublesUpToTheMaximum) {
  const std::vector<Duration> expected = {200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 10s, 10s};
  for (unsigned failures = 1; failures <= expected.size(); ++failures) {
    EXPECT_EQ(backoff(retry, failures, std::nullopt, highest), expected[failures - 1]) << failures;
  }
}

TEST(Backoff, JitterIsFull) {
  EXPECT_EQ(backoff(retry, 5, std::nullopt, lowest), 0s);
  EXPECT_EQ(backoff(retry, 2, std::nullopt, [](std::uint64_t max) { return max / 4; }), 100ms);
}

TEST(Backoff, NeverOverflows) {
  const config::Retry huge{.max_attempts = 0, .backoff_base = Duration(1), .backoff_max = Duration::max()};
  EXPECT_EQ(backoff(huge, std::numeric_limits<unsigned>::max(), std::nullopt, highest), Duration::max());
}

TEST(Backoff, NeitherDoesRetryAfterWithTheLongestJitter) {
  const config::Retry huge{
      .max_attempts = 0, .backoff_base = Duration::max(), .backoff_max = Duration::max()};
  EXPECT_EQ(backoff(huge, 1, 1h, highest), Duration::max());
}

TEST(Backoff, ABaseAboveTheMaximumIsTheMaximum) {
  EXPECT_EQ(backoff({.max_attempts = 2, .backoff_base = 5s, .backoff_max = 1s}, 1, std::nullopt, highest),
            1s);
}

TEST(Backoff, AZeroBaseWaitsNotAtAll) {
  EXPECT_EQ(backoff({.max_attempts = 2, .backoff_base = 0s, .backoff_max = 1s}, 1'000'000'000, std::nullopt,
                    highest),
            0s);
}

TEST(Backoff, RetryAfterIsALowerBoundWithTheJitterOnTop) {
  EXPECT_EQ(backoff(retry, 1, 7s, lowest), 7s);
  EXPECT_EQ(backoff(retry, 1, 7s, highest), 7200ms);
}

}  // namespace
}  // namespace hangup::cleanup
