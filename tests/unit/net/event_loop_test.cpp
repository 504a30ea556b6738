#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include <hangup/net/event_loop.h>

namespace hangup::net {
namespace {

using namespace std::chrono_literals;

TEST(EventLoop, TimersFireInOrderAndNotBeforeTheirTime) {
  EventLoop loop;
  std::vector<int> fired;
  MonoTime start;
  const auto second = loop.make_timer([&] {
    fired.push_back(2);
    EXPECT_GE(loop.now() - start, 30ms);
    loop.stop();
  });
  const auto first = loop.make_timer([&] {
    fired.push_back(1);
    EXPECT_GE(loop.now() - start, 1ms);
  });
  // They keep their order if both were set in time and lie further apart than libevent's clock steps: 10 ms.
  do {
    start = loop.now();
    second->set(start + 30ms);
    first->set(start + 1ms);
  } while (loop.now() - start >= 1ms);
  loop.run();
  EXPECT_EQ(fired, (std::vector{1, 2}));
}

TEST(EventLoop, ATimerThatIsMovedLaterFiresOnceAndLater) {
  EventLoop loop;
  int fired = 0;
  const MonoTime start = loop.now();
  const auto timer = loop.make_timer([&] {
    ++fired;
    EXPECT_GE(loop.now() - start, 5ms);
  });
  const auto end = loop.make_timer([&] { loop.stop(); });
  timer->set(start + 1ms);
  timer->set(start + 5ms);
  end->set(start + 10ms);
  loop.run();
  EXPECT_EQ(fired, 1);
}

TEST(EventLoop, ATimerThatIsMovedEarlierFiresEarlier) {
  EventLoop loop;
  const auto timer = loop.make_timer([&] { loop.stop(); });
  timer->set(loop.now() + 1h);
  timer->set(loop.now() + 1ms);
  loop.run();  // or the test's own limit ends it
}

// libevent sleeps for whole milliseconds: 2,000 of them would be seconds.
TEST(EventLoop, ATimerThatIsDueFiresWithoutASleep) {
  EventLoop loop;
  int left = 2000;
  std::unique_ptr<Timer> timer;
  timer = loop.make_timer([&] {
    if (--left == 0) return loop.stop();
    timer->set(loop.now());
  });
  const MonoTime started = loop.now();
  timer->set(started);
  loop.run();
  EXPECT_EQ(left, 0);
  EXPECT_LT(loop.now() - started, 1s);
}

TEST(EventLoop, ATimerThatIsDueAndCancelledOrGoneDoesNotFire) {
  EventLoop loop;
  const auto cancelled = loop.make_timer([] { FAIL() << "fired"; });
  auto gone = loop.make_timer([] { FAIL() << "fired"; });
  cancelled->set(loop.now());
  gone->set(loop.now());
  cancelled->cancel();
  gone.reset();
  bool fired = false;
  const auto later = loop.make_timer([&] {
    fired = true;
    loop.stop();
  });
  later->set(loop.now());  // in the place of one of them
  loop.run();
  EXPECT_TRUE(fired);
}

TEST(EventLoop, ACancelledTimerDoesNotFire) {
  EventLoop loop;
  const auto cancelled = loop.make_timer([&] { ADD_FAILURE() << "fired"; });
  cancelled->set(loop.now() + 1ms);
  cancelled->cancel();
  const auto end = loop.make_timer([&] { loop.stop(); });
  end->set(loop.now() + 5ms);
  loop.run();
}

TEST(EventLoop, ATimerMayBeDestroyedByItsOwnCallback) {
  EventLoop loop;
  std::unique_ptr<Timer> timer;
  timer = loop.make_timer([&] {
    timer.reset();
    loop.stop();
  });
  timer->set(loop.now());
  loop.run();
  EXPECT_EQ(timer, nullptr);
}

// Its alarm may be set still for the sake of the one before it.
TEST(EventLoop, ATimerKnowsNothingOfTheOneWhosePlaceItTakes) {
  EventLoop loop;
  const MonoTime start = loop.now();
  for (const auto& [before, own] : {std::pair(2ms, 6ms), std::pair(60'000ms, 4ms), std::pair(1ms, 1ms)}) {
    auto other = loop.make_timer([] { ADD_FAILURE() << "was destroyed"; });
    other->set(loop.now() + before);
    other.reset();
    int fired = 0;
    const MonoTime due = loop.now() + own;
    const auto timer = loop.make_timer([&] {
      ++fired;
      EXPECT_GE(loop.now(), due);
      loop.stop();
    });
    timer->set(due);
    loop.run();
    EXPECT_EQ(fired, 1);
  }
  EXPECT_LT(loop.now() - start, 30s);
}

TEST(EventLoop, DeferredWorkRunsBeforeTheLoopWaitsAgainAndMayDeferMore) {
  EventLoop loop;
  std::vector<int> ran;
  loop.defer([&] {
    ran.push_back(1);
    loop.defer([&] {
      ran.push_back(2);
      loop.stop();
    });
  });
  loop.run();
  EXPECT_EQ(ran, (std::vector{1, 2}));
}

class NotingSender final : public EventLoop::Sender {
 public:
  explicit NotingSender(std::vector<int>& sent, int number = 0) : sent_(sent), number_(number) {}
  void send_now() override { sent_.push_back(number_); }

 private:
  std::vector<int>& sent_;
  int number_;
};

TEST(EventLoop, SendersAreCalledOnceInTheirOrderBehindDeferredWork) {
  EventLoop loop;
  std::vector<int> sent;
  NotingSender first(sent, 1);
  NotingSender second(sent, 2);
  loop.post([&] {
    loop.send_soon(first);
    loop.send_soon(second);
    loop.send_soon(first);
    EXPECT_TRUE(first.is_due());
    loop.defer([&] { sent.push_back(0); });
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(sent, (std::vector{0, 1, 2}));
  EXPECT_FALSE(first.is_due());
}

TEST(EventLoop, ASenderThatIsGoneIsNotCalled) {
  EventLoop loop;
  std::vector<int> sent;
  auto gone = std::make_unique<NotingSender>(sent, 1);
  NotingSender stays(sent, 2);
  loop.post([&] {
    loop.send_soon(*gone);
    loop.send_soon(stays);
    loop.defer([&] { gone.reset(); });
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(sent, std::vector{2});
}

TEST(EventLoop, ManySendersEndTheTurnSoThatNoneWaitsForAllItsEvents) {
  EventLoop loop;
  constexpr std::size_t events = 1000;
  std::vector<int> sent;
  std::size_t sent_before_the_last_event = 0;
  std::vector<std::unique_ptr<NotingSender>> senders;
  std::vector<std::unique_ptr<Timer>> timers;
  const MonoTime due = loop.now();
  for (std::size_t i = 0; i < events; ++i) {
    senders.push_back(std::make_unique<NotingSender>(sent));
    timers.push_back(loop.make_timer([&, i] {
      sent_before_the_last_event = sent.size();
      loop.send_soon(*senders[i]);
      if (i + 1 == events) loop.stop();
    }));
    timers.back()->set(due);
  }
  loop.run();
  EXPECT_GE(sent_before_the_last_event, events / 2);
  EXPECT_EQ(sent.size(), events);
}

TEST(EventLoop, WorkPostedByOtherThreadsAllRuns) {
  EventLoop loop;
  constexpr int each = 1000;
  int ran = 0;
  const auto post = [&] {
    for (int i = 0; i < each; ++i) {
      loop.post([&] {
        if (++ran == 2 * each) loop.stop();
      });
    }
  };
  std::thread one(post);
  std::thread other(post);
  loop.run();
  one.join();
  other.join();
  EXPECT_EQ(ran, 2 * each);
}

}  // namespace
}  // namespace hangup::net
