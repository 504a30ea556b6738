#include "downstream/repetition.h"

#include "support/fake_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace hangup::downstream {
namespace {

using testing::ElementsAre, testing::IsEmpty;

class RepetitionTest : public testing::Test {
 protected:
  std::vector<std::uint64_t> told;
  test::FakeScheduler scheduler;
  Tally tally;
  std::function<void(std::uint64_t)> tell = [this](std::uint64_t times) { told.push_back(times); };
};

TEST_F(RepetitionTest, TellsTheFirstAtOnceAndTheRestOnceAPeriod) {
  Repetition repetition(scheduler, tally, tell);
  for (int i = 0; i < 1000; ++i) repetition.happened();
  EXPECT_THAT(told, ElementsAre(1));
  scheduler.advance(Repetition::period);
  EXPECT_THAT(told, ElementsAre(1, 999));
}

TEST_F(RepetitionTest, TellsAtOnceAgainAfterAQuietPeriod) {
  Repetition repetition(scheduler, tally, tell);
  repetition.happened();
  scheduler.advance(Repetition::period);
  EXPECT_THAT(told, ElementsAre(1));
  repetition.happened();
  EXPECT_THAT(told, ElementsAre(1, 1));
}

TEST_F(RepetitionTest, TellsForAllThreadsFromOne) {
  Repetition ours(scheduler, tally, tell);
  std::vector<std::uint64_t> told_by_other;
  Repetition other(scheduler, tally, [&](std::uint64_t times) { told_by_other.push_back(times); });
  ours.happened();
  other.happened();
  scheduler.advance(Repetition::period);
  EXPECT_THAT(told, ElementsAre(1, 1));
  EXPECT_THAT(told_by_other, IsEmpty());
}

TEST_F(RepetitionTest, TellsWhatIsLeftWhenItGoes) {
  {
    Repetition repetition(scheduler, tally, tell);
    for (int i = 0; i < 5; ++i) repetition.happened();
  }
  EXPECT_THAT(told, ElementsAre(1, 4));
}

}  // namespace
}  // namespace hangup::downstream
