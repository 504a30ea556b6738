#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include <hangup/downstream/connection_limits.h>

namespace hangup::downstream {
namespace {

using Config = config::Listener::Connections;

SocketAddress at(const char* text) {
  return *SocketAddress::parse(text);
}

TEST(ConnectionLimits, GiveAsManyPlacesAsThereAreAndAgainWhenOneEnds) {
  ConnectionLimits limits(Config{}, 2);
  ConnectionPlace first = limits.take();
  const ConnectionPlace second = limits.take();
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(limits.take());
  first = {};
  EXPECT_TRUE(limits.take());
  EXPECT_EQ(limits.open(), 1U);
}

TEST(ConnectionLimits, AMovedPlaceIsCountedOnce) {
  ConnectionLimits limits(Config{}, 1);
  ConnectionPlace place = limits.take();
  {
    const ConnectionPlace elsewhere = std::move(place);
    EXPECT_EQ(limits.open(), 1U);
  }
  EXPECT_EQ(limits.open(), 0U);
}

TEST(ConnectionLimits, GiveAWaiterThePlaceThatAChangeBrings) {
  ConnectionLimits limits(Config{}, 1);
  const ConnectionPlace only = limits.take();
  bool woken = false;
  ConnectionLimits::Waiter waiter{[&] { woken = true; }};
  EXPECT_FALSE(limits.take_or_wait(waiter));
  limits.change(Config{.when_full = Config::WhenFull::reject}, 2);
  EXPECT_TRUE(woken);
  EXPECT_FALSE(limits.waits_when_full());
  EXPECT_TRUE(limits.take());
}

TEST(ConnectionLimits, CountEachClientByItself) {
  ConnectionLimits limits(Config{.per_client = 1}, 10);
  ConnectionPlace first = limits.take();
  EXPECT_TRUE(first.name_client(at("10.0.0.1:1000")));
  ConnectionPlace same = limits.take();
  EXPECT_FALSE(same.name_client(at("10.0.0.1:2000")));
  ConnectionPlace other = limits.take();
  EXPECT_TRUE(other.name_client(at("10.0.0.2:1000")));
  first = {};
  ConnectionPlace again = limits.take();
  EXPECT_TRUE(again.name_client(at("10.0.0.1:3000")));
}

TEST(ConnectionLimits, TakeAnIpv6NetworkForOneClient) {
  ConnectionLimits limits(Config{.per_client = 1}, 10);
  ConnectionPlace first = limits.take();
  EXPECT_TRUE(first.name_client(at("[2001:db8:0:1::1]:1")));
  ConnectionPlace same = limits.take();
  EXPECT_FALSE(same.name_client(at("[2001:db8:0:1:ffff::2]:1")));
  ConnectionPlace neighbour = limits.take();
  EXPECT_TRUE(neighbour.name_client(at("[2001:db8:0:2::1]:1")));
}

TEST(ConnectionLimits, TakeAMappedIpv4AddressForItself) {
  ConnectionLimits limits(Config{.per_client = 1}, 10);
  ConnectionPlace first = limits.take();
  EXPECT_TRUE(first.name_client(at("[::ffff:10.0.0.1]:1")));
  ConnectionPlace same = limits.take();
  EXPECT_FALSE(same.name_client(at("10.0.0.1:1")));
  ConnectionPlace other = limits.take();
  EXPECT_TRUE(other.name_client(at("[::ffff:10.0.0.2]:1")));
}

TEST(ConnectionLimits, DoNotCountClientsOfAUnixSocket) {
  ConnectionLimits limits(Config{.per_client = 1}, 10);
  ConnectionPlace first = limits.take();
  ConnectionPlace second = limits.take();
  EXPECT_TRUE(first.name_client(at("unix:/run/x.sock")));
  EXPECT_TRUE(second.name_client(at("unix:/run/x.sock")));
}

TEST(ConnectionLimits, WakeWhoWaitsWhenAPlaceEnds) {
  ConnectionLimits limits(Config{}, 1);
  ConnectionPlace place = limits.take();
  int woken = 0;
  ConnectionLimits::Waiter waiter{[&] { ++woken; }};
  EXPECT_FALSE(limits.take_or_wait(waiter));
  EXPECT_EQ(woken, 0);
  place = {};
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(limits.take_or_wait(waiter));
  EXPECT_EQ(woken, 1) << "nobody waits any more";
}

TEST(ConnectionLimits, WakeAnotherWhenTheWokenOneNeedsNoPlace) {
  ConnectionLimits limits(Config{}, 1);
  ConnectionPlace place = limits.take();
  int first_woken = 0;
  int second_woken = 0;
  ConnectionLimits::Waiter first{[&] { ++first_woken; }};
  ConnectionLimits::Waiter second{[&] { ++second_woken; }};
  EXPECT_FALSE(limits.take_or_wait(first));
  EXPECT_FALSE(limits.take_or_wait(second));
  place = {};
  EXPECT_EQ(first_woken, 1);
  EXPECT_EQ(second_woken, 0);
  limits.forget(first);
  EXPECT_EQ(second_woken, 1);
}

TEST(ConnectionLimits, DoNotWakeWhoWasForgotten) {
  ConnectionLimits limits(Config{}, 1);
  ConnectionPlace place = limits.take();
  int woken = 0;
  ConnectionLimits::Waiter waiter{[&] { ++woken; }};
  EXPECT_FALSE(limits.take_or_wait(waiter));
  limits.forget(waiter);
  place = {};
  EXPECT_EQ(woken, 0);
}

TEST(ConnectionLimits, KeepOnlyAFewRefusedConnections) {
  ConnectionLimits limits(Config{}, 1);
  for (std::size_t i = 0; i < ConnectionLimits::most_refusals; ++i) EXPECT_TRUE(limits.begin_refusal());
  EXPECT_FALSE(limits.begin_refusal());
  limits.end_refusal();
  EXPECT_TRUE(limits.begin_refusal());
}

// Threads that take, wait and give back: none is left waiting while there is a place, and there are never
// more than there may be.
TEST(ConnectionLimits, LoseNoWakeUpAmongThreads) {
  constexpr std::size_t most = 2;
  constexpr int threads = 4;
  constexpr int rounds = 5000;
  ConnectionLimits limits(Config{.per_client = most}, most);
  std::atomic<std::size_t> highest = 0;
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&] {
      std::atomic<int> wakes = 0;
      ConnectionLimits::Waiter waiter{[&] {
        ++wakes;
        wakes.notify_one();
      }};
      for (int round = 0; round < rounds; ++round) {
        ConnectionPlace place;
        for (;;) {
          const int seen = wakes.load();
          place = limits.take_or_wait(waiter);
          if (place) break;
          wakes.wait(seen);  // for ever if a wake-up is lost
        }
        EXPECT_TRUE(place.name_client(at("10.0.0.1:1")));
        highest = std::max(highest.load(), limits.open());
        place = {};
        limits.pass_on();
      }
      limits.forget(waiter);
    });
  }
  for (std::thread& thread : all) thread.join();
  EXPECT_LE(highest.load(), most);
  EXPECT_EQ(limits.open(), 0U);
}

}  // namespace
}  // namespace hangup::downstream
