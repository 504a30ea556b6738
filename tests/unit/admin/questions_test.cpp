// Questions to other threads, which may not answer.
#include "admin/questions.h"

#include "support/fake_scheduler.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace hangup::admin {
namespace {

using std::chrono::seconds;

class FakeDesk final : public Desk {
 public:
  explicit FakeDesk(test::FakeScheduler& scheduler) : scheduler_(scheduler) {}
  void post(std::move_only_function<void()> work) override { scheduler_.defer(std::move(work)); }

 private:
  test::FakeScheduler& scheduler_;
};

class QuestionsTest : public testing::Test {
 protected:
  Questions::Id ask(std::size_t answers) {
    Questions::Id asked = 0;
    questions.begin(
        [&](Questions::Id id) {
          asked = id;
          return answers;
        },
        seconds(1),
        [this](std::size_t missing) {
          EXPECT_FALSE(left);
          left = missing;
        });
    return asked;
  }
  void answer(Questions::Id id) {
    questions.answering()(id, [this] { ++taken; });
    scheduler.run();
  }

  test::FakeScheduler scheduler;
  Questions questions{scheduler, std::make_shared<FakeDesk>(scheduler)};
  std::optional<std::size_t> left;
  int taken = 0;
};

TEST_F(QuestionsTest, AreOverWhenAllHaveAnswered) {
  const Questions::Id id = ask(2);
  answer(id);
  EXPECT_FALSE(left);
  answer(id);
  EXPECT_EQ(left, 0U);
  EXPECT_EQ(taken, 2);
  EXPECT_EQ(scheduler.timers(), 0U);
}

TEST_F(QuestionsTest, AreOverWhenTimeIsUpAndSayHowManyAreMissing) {
  const Questions::Id id = ask(3);
  answer(id);
  scheduler.advance(seconds(1));
  EXPECT_EQ(left, 2U);
  answer(id);
  EXPECT_EQ(taken, 1) << "who answers too late is not listened to";
  EXPECT_EQ(scheduler.timers(), 0U);
}

TEST_F(QuestionsTest, ToNobodyAreOverAtOnce) {
  ask(0);
  EXPECT_EQ(left, 0U);
}

}  // namespace
}  // namespace hangup::admin
