#include "upstream/balancer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace hangup::upstream {
namespace {

using namespace std::chrono_literals;
using config::Balance;

// An upstream of servers a, b, c, ... with these weights.
class BalancerTest : public testing::Test {
 protected:
  void make(Balance balance, const std::vector<unsigned>& weights, unsigned turn = 0,
            std::uint64_t seed = 1) {
    auto config = std::make_shared<config::Upstream>();
    config->name = "app";
    config->balance = balance;
    config->slow_start = slow_start;
    if (balance == Balance::hash) config->hash_key = *config::Template::parse("{client.ip}");
    for (std::size_t i = 0; i < weights.size(); ++i) {
      config::Server server;
      server.url = std::string("http://") + static_cast<char>('a' + i);
      server.weight = weights[i];
      config->servers.push_back(std::move(server));
    }
    shared = std::make_unique<SharedUpstream>(std::move(config));
    balancer = std::make_unique<Balancer>(*shared, turn, seed);
  }
  // The one that is chosen when none of `full` has room; -1 for none.
  int pick(Balancer::Key key = {}, const std::vector<std::size_t>& full = {}) {
    balancer->begin(key, now);
    while (const auto server = balancer->next()) {
      if (std::ranges::find(full, *server) != full.end()) continue;
      balancer->take();
      return static_cast<int>(*server);
    }
    return -1;
  }
  std::string picks(int count, const std::vector<std::size_t>& full = {}) {
    std::string all;
    for (int i = 0; i < count; ++i) all += static_cast<char>('a' + pick({}, full));
    return all;
  }
  std::vector<std::size_t> order(Balancer::Key key = {}) {
    std::vector<std::size_t> all;
    balancer->begin(key, now);
    while (const auto server = balancer->next()) all.push_back(*server);
    return all;
  }
  static Balancer::Key key(int number) { return Balancer::hash("client-" + std::to_string(number)); }
  void take_down(std::size_t server) { shared->unreachable(server, now, "refused"); }

  static int count(const std::string& all, char server) {
    return static_cast<int>(std::ranges::count(all, server));
  }
  // Within five standard deviations of what chance gives; the seed is given, so that it holds or not for
  // good.
  static void expect_share(int got, int of, double share) {
    EXPECT_NEAR(got, of * share, 5 * std::sqrt(of * share * (1 - share)));
  }

  Duration slow_start = Duration::zero();
  MonoTime now{1000s};
  std::unique_ptr<SharedUpstream> shared;
  std::unique_ptr<Balancer> balancer;
};

TEST_F(BalancerTest, RoundRobinTakesTurns) {
  make(Balance::round_robin, {1, 1, 1});
  EXPECT_EQ(picks(7), "abcabca");
}

TEST_F(BalancerTest, RoundRobinSpreadsAHeavyServersTurns) {
  make(Balance::round_robin, {5, 1, 1});
  EXPECT_EQ(picks(14), "aabacaaaabacaa");
}

TEST_F(BalancerTest, RoundRobinGivesEachServerItsWeightInEveryRound) {
  const std::vector<unsigned> weights = {7, 3, 2, 1};
  make(Balance::round_robin, weights);
  for (int round = 0; round < 50; ++round) {
    const std::string all = picks(13);
    for (std::size_t i = 0; i < weights.size(); ++i)
      EXPECT_EQ(count(all, static_cast<char>('a' + i)), static_cast<int>(weights[i])) << all;
  }
}

TEST_F(BalancerTest, RoundRobinOfWorkersBeginsAtDifferentServers) {
  std::string first;
  for (unsigned worker = 0; worker < 4; ++worker) {
    make(Balance::round_robin, {1, 1, 1}, worker);
    first += picks(1);
  }
  EXPECT_EQ(first, "abca");
}

TEST_F(BalancerTest, ServerThatWasFullDoesNotCatchUp) {
  make(Balance::round_robin, {1, 1, 1});
  EXPECT_EQ(picks(30, {2}).find('c'), std::string::npos);
  EXPECT_EQ(count(picks(3), 'c'), 1);
  EXPECT_EQ(count(picks(30), 'c'), 10);
}

TEST_F(BalancerTest, ChoiceThatFindsNoRoomChangesNothing) {
  make(Balance::round_robin, {1, 1, 1});
  EXPECT_EQ(pick(), 0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(pick({}, {0, 1, 2}), -1);
  EXPECT_EQ(pick(), 1);
}

TEST_F(BalancerTest, WeightZeroGetsNothingEvenWhenAllOthersAreDown) {
  for (const Balance balance :
       {Balance::round_robin, Balance::least_requests, Balance::random_two, Balance::hash}) {
    make(balance, {1, 0, 2});
    take_down(0);
    take_down(2);
    for (int i = 0; i < 100; ++i) EXPECT_THAT(order(key(i)), testing::UnorderedElementsAre(0U, 2U));
  }
}

TEST_F(BalancerTest, ServersThatAreDownComeLast) {
  for (const Balance balance :
       {Balance::round_robin, Balance::least_requests, Balance::random_two, Balance::hash}) {
    make(balance, {100, 1, 1, 100});
    take_down(0);
    take_down(3);
    shared->request_began(1);
    for (int i = 0; i < 100; ++i) {
      const auto all = order(key(i));
      ASSERT_EQ(all.size(), 4U);
      EXPECT_THAT(std::vector(all.begin(), all.begin() + 2), testing::UnorderedElementsAre(1U, 2U));
      EXPECT_NE(pick(key(i)), 0);
    }
  }
}

TEST_F(BalancerTest, WhenAllAreDownAllAreTried) {
  make(Balance::round_robin, {1, 1});
  take_down(0);
  take_down(1);
  EXPECT_EQ(picks(4), "abab");
  now += SharedUpstream::down_for;
  EXPECT_EQ(picks(4), "abab");
}

TEST_F(BalancerTest, OneServerNeedsNoChoice) {
  for (const Balance balance :
       {Balance::round_robin, Balance::least_requests, Balance::random_two, Balance::hash}) {
    make(balance, {0, 3});
    take_down(1);
    for (int i = 0; i < 3; ++i) EXPECT_THAT(order(key(i)), testing::ElementsAre(1U));
  }
}

TEST_F(BalancerTest, LeastRequestsGoByTheWeight) {
  make(Balance::least_requests, {1, 3});
  std::vector<int> requests(2);
  for (int i = 0; i < 40; ++i) {
    const int server = pick();
    shared->request_began(static_cast<std::size_t>(server));
    ++requests[static_cast<std::size_t>(server)];
  }
  EXPECT_EQ(requests[0], 10);
  EXPECT_EQ(requests[1], 30);
  shared->request_ended(0);
  EXPECT_EQ(pick(), 0);
}

// All idle, as at little load: each still gets its share.
TEST_F(BalancerTest, LeastRequestsAmongEqualsGoByRoundRobin) {
  make(Balance::least_requests, {5, 1, 1});
  EXPECT_EQ(picks(7), "aabacaa");
}

// A server that has long requests saves up no turns meanwhile.
TEST_F(BalancerTest, LeastRequestsOweNothingToAServerThatWasBusy) {
  make(Balance::least_requests, {1, 1});
  shared->request_began(0);
  EXPECT_EQ(picks(100), std::string(100, 'b'));
  shared->request_ended(0);
  EXPECT_LE(count(picks(4), 'a'), 3);
  EXPECT_EQ(count(picks(100), 'a'), 50);
}

TEST_F(BalancerTest, RandomTwoGoByTheWeightWhileAllAreIdle) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    make(Balance::random_two, {1, 2, 5}, 0, seed);
    const std::string all = picks(20'000);
    expect_share(count(all, 'a'), 20'000, 1.0 / 8);
    expect_share(count(all, 'b'), 20'000, 2.0 / 8);
    expect_share(count(all, 'c'), 20'000, 5.0 / 8);
  }
}

TEST_F(BalancerTest, RandomTwoNeverTakeTheBusiest) {
  make(Balance::random_two, {1, 1, 1, 1});
  for (int i = 0; i < 3; ++i) shared->request_began(2);
  shared->request_began(1);
  const std::string all = picks(10'000);
  EXPECT_EQ(count(all, 'c'), 0) << "whoever it is drawn with has less to do";
  expect_share(count(all, 'b'), 10'000, 1.0 / 6);  // drawn with c
  expect_share(count(all, 'a'), 10'000, 2.5 / 6);
}

// Two choices keep the longest queue short: within a few requests, where one choice leaves it to chance.
TEST_F(BalancerTest, RandomTwoKeepServersLevel) {
  make(Balance::random_two, std::vector<unsigned>(20, 1));
  for (int i = 0; i < 20 * 100; ++i) shared->request_began(static_cast<std::size_t>(pick()));
  for (std::size_t i = 0; i < 20; ++i) EXPECT_NEAR(static_cast<double>(shared->requests(i)), 100, 6);
}

TEST_F(BalancerTest, HashSticksToOneServerInEveryWorker) {
  make(Balance::hash, {1, 2, 3}, 0, 1);
  std::vector<int> servers;
  for (int i = 0; i < 100; ++i) servers.push_back(pick(key(i)));
  make(Balance::hash, {1, 2, 3}, 5, 99);
  for (int again = 0; again < 3; ++again) {
    for (int i = 0; i < 100; ++i) EXPECT_EQ(pick(key(i)), servers[static_cast<std::size_t>(i)]);
  }
}

// Another release, and another machine, send a key where this one does.
TEST_F(BalancerTest, HashIsTheSameForGood) {
  EXPECT_EQ(Balancer::hash(""), 0xf52a15e9a9b5e89bU);
  EXPECT_EQ(Balancer::hash("192.0.2.7"), 0x6053c3970e6a076dU);
}

TEST_F(BalancerTest, HashGivesEachServerKeysByItsWeight) {
  make(Balance::hash, {1, 2, 5});
  std::string all;
  for (int i = 0; i < 20'000; ++i) all += static_cast<char>('a' + pick(key(i)));
  expect_share(count(all, 'a'), 20'000, 1.0 / 8);
  expect_share(count(all, 'b'), 20'000, 2.0 / 8);
  expect_share(count(all, 'c'), 20'000, 5.0 / 8);
}

TEST_F(BalancerTest, HashMovesOnlyTheKeysOfAServerThatGoesEachToItsNext) {
  make(Balance::hash, {1, 1, 1, 1, 1});
  std::vector<std::vector<std::size_t>> before;
  for (int i = 0; i < 2000; ++i) before.push_back(order(key(i)));
  take_down(2);
  std::map<std::size_t, int> heirs;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto now_at = static_cast<std::size_t>(pick(key(static_cast<int>(i))));
    if (before[i][0] != 2) {
      EXPECT_EQ(now_at, before[i][0]);
    } else {
      EXPECT_EQ(now_at, before[i][1]);
      ++heirs[now_at];
    }
  }
  EXPECT_EQ(heirs.size(), 4U) << "its keys go to all others";
  shared->connected(2, now);
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_EQ(static_cast<std::size_t>(pick(key(static_cast<int>(i)))), before[i][0]);
}

// A configuration that lacks a server, or has one more, in another order: no other key moves.
TEST_F(BalancerTest, HashGoesByTheUrlsNotByTheirOrder) {
  make(Balance::hash, {1, 1, 1});
  std::vector<int> before;
  for (int i = 0; i < 500; ++i) before.push_back(pick(key(i)));
  make(Balance::hash, {1, 1, 1, 1});
  int moved = 0;
  for (std::size_t i = 0; i < 500; ++i) {
    const int after = pick(key(static_cast<int>(i)));
    if (after != before[i]) {
      EXPECT_EQ(after, 3) << "only to the new one";
      ++moved;
    }
  }
  expect_share(moved, 500, 1.0 / 4);
}

TEST_F(BalancerTest, HashWithoutAKeyGoesByRoundRobin) {
  make(Balance::hash, {2, 1});
  EXPECT_EQ(picks(6), "abaaba");
}

TEST_F(BalancerTest, SlowStartRaisesTheWeightFromATenth) {
  slow_start = 100s;
  make(Balance::round_robin, {10, 10});
  EXPECT_EQ(count(picks(20), 'b'), 10) << "at the start of the process all are warm";
  take_down(1);
  EXPECT_EQ(count(picks(20), 'b'), 0);
  now += SharedUpstream::down_for;
  EXPECT_DOUBLE_EQ(shared->share(1, now), 0.1) << "it is tried, and nobody knows yet";
  EXPECT_EQ(count(picks(22), 'b'), 2);
  shared->connected(1, now);
  EXPECT_DOUBLE_EQ(shared->share(1, now), 0.1);
  now += 50s;
  EXPECT_DOUBLE_EQ(shared->share(1, now), 0.55);
  EXPECT_EQ(count(picks(310), 'b'), 110);
  now += 50s;
  EXPECT_DOUBLE_EQ(shared->share(1, now), 1);
  EXPECT_EQ(count(picks(20), 'b'), 10);
  EXPECT_DOUBLE_EQ(shared->share(0, now), 1);
}

TEST_F(BalancerTest, SlowStartGivesAServerItsKeysBackBitByBit) {
  slow_start = 100s;
  make(Balance::hash, {1, 1});
  std::vector<int> home;
  for (int i = 0; i < 1000; ++i) home.push_back(pick(key(i)));
  shared->came_up(1, now);
  int last = -1;
  for (; shared->share(1, now) < 1; now += 25s) {
    int back = 0;
    for (int i = 0; i < 1000; ++i) {
      const int at = pick(key(i));
      if (at == 1) ++back;
      EXPECT_TRUE(at == home[static_cast<std::size_t>(i)] || at == 0);
    }
    EXPECT_GT(back, last);
    last = back;
  }
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(pick(key(i)), home[static_cast<std::size_t>(i)]);
}

TEST_F(BalancerTest, WithoutSlowStartAServerThatCameUpHasItsWholeWeight) {
  make(Balance::round_robin, {1, 1});
  take_down(1);
  shared->connected(1, now);
  EXPECT_DOUBLE_EQ(shared->share(1, now), 1);
}

TEST_F(BalancerTest, ConnectingToAServerThatWasUpIsNoComeback) {
  slow_start = 100s;
  make(Balance::round_robin, {1, 1});
  shared->connected(0, now);
  EXPECT_DOUBLE_EQ(shared->share(0, now), 1);
}

}  // namespace
}  // namespace hangup::upstream
