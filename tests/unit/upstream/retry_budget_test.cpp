#include "upstream/retry_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace hangup::upstream {
namespace {

using namespace std::chrono_literals;

RetryBudget budget_of(unsigned percent, unsigned min_per_second) {
  config::Retries retries;
  retries.budget_percent = percent;
  retries.min_per_second = min_per_second;
  return RetryBudget(retries);
}

int taken(RetryBudget& budget, MonoTime now, int most = 1000) {
  int count = 0;
  while (count < most && budget.take(now)) ++count;
  return count;
}

constexpr MonoTime start{1000s};

TEST(RetryBudget, IsAPartOfTheRequests) {
  RetryBudget budget = budget_of(20, 0);
  EXPECT_FALSE(budget.take(start)) << "nothing was sent";
  for (int i = 0; i < 50; ++i) budget.request(start);
  EXPECT_EQ(taken(budget, start), 10);
  for (int i = 0; i < 4; ++i) budget.request(start);
  EXPECT_FALSE(budget.take(start)) << "what was refused costs nothing, and four are not five";
  budget.request(start);
  EXPECT_EQ(taken(budget, start), 1);
}

TEST(RetryBudget, HasAFloorForLittleLoad) {
  RetryBudget budget = budget_of(20, 3);
  EXPECT_EQ(taken(budget, start), 3 * RetryBudget::seconds);
  budget.request(start);
  EXPECT_FALSE(budget.take(start));
}

TEST(RetryBudget, OfNothingIsNothing) {
  RetryBudget budget = budget_of(0, 0);
  for (int i = 0; i < 1000; ++i) budget.request(start);
  EXPECT_FALSE(budget.take(start));
}

TEST(RetryBudget, ForgetsWhatIsTenSecondsAgo) {
  RetryBudget budget = budget_of(10, 0);
  for (int i = 0; i < 100; ++i) budget.request(start);
  EXPECT_EQ(taken(budget, start + 9s), 10);
  EXPECT_FALSE(budget.take(start + 10s)) << "the requests are forgotten, and the retries not yet";
  for (int i = 0; i < 100; ++i) budget.request(start + 10s);
  EXPECT_FALSE(budget.take(start + 10s));
  for (int i = 0; i < 100; ++i) budget.request(start + 19s);
  EXPECT_EQ(taken(budget, start + 19s), 20) << "a whole window with none";
}

TEST(RetryBudget, IsSpentOnceByAllThreadsTogether) {
  RetryBudget budget = budget_of(50, 0);
  std::atomic<int> all = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 1000; ++j) budget.request(start);
      });
    }
  }
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { all += taken(budget, start, 100'000); });
  }
  EXPECT_LE(all, 2000);
  EXPECT_EQ(all + taken(budget, start, 100'000), 2000);
}

}  // namespace
}  // namespace hangup::upstream
