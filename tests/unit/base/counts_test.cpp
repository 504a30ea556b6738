// Counting without locks.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <hangup/base/counts.h>

namespace hangup {
namespace {

using std::chrono::milliseconds, std::chrono::nanoseconds, std::chrono::seconds;

constexpr std::array<Duration, 2> bounds_of_test = {milliseconds(1), seconds(1)};

TEST(DurationCounts, ABoundItselfIsWithinIt) {
  DurationCounts<bounds_of_test> counts;
  counts.add(Duration::zero());
  counts.add(milliseconds(1));
  counts.add(milliseconds(1) + nanoseconds(1));
  counts.add(seconds(1));
  counts.add(seconds(5));
  EXPECT_EQ(counts.bucket(0), 2U);
  EXPECT_EQ(counts.bucket(1), 2U);
  EXPECT_EQ(counts.bucket(2), 1U);
  EXPECT_NEAR(counts.seconds(), 6.002, 1e-6);
}

TEST(DurationCounts, ANegativeDurationIsNone) {
  DurationCounts<bounds_of_test> counts;
  counts.add(-seconds(3));
  EXPECT_EQ(counts.bucket(0), 1U);
  EXPECT_EQ(counts.seconds(), 0);
}

TEST(PerThread, WhatThreadsCountIsAddedUpWhileTheyCount) {
  constexpr std::uint64_t each = 20'000;
  PerThread<Count> counts;
  const auto sum = [&] {
    std::uint64_t all = 0;
    counts.for_each([&](const Count& count) { all += count.value(); });
    return all;
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&own = counts.add()] {
        for (std::uint64_t n = 0; n < each; ++n) own.add();
      });
    }
    for (std::uint64_t last = 0; last < each;) {
      const std::uint64_t now = sum();
      ASSERT_GE(now, last);
      last = now;
    }
  }
  EXPECT_EQ(sum(), 3 * each);
}

TEST(PerThread, KeepsThreadsOffEachOthersCacheLines) {
  PerThread<Count> counts;
  const auto first = reinterpret_cast<std::uintptr_t>(&counts.add());
  const auto second = reinterpret_cast<std::uintptr_t>(&counts.add());
  EXPECT_GE(first > second ? first - second : second - first, 128U);
}

}  // namespace
}  // namespace hangup
