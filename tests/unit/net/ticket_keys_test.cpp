#include "net/ticket_keys.h"

#include <gtest/gtest.h>

namespace hangup::net {
namespace {

using namespace std::chrono_literals;

class SetClock final : public Clock {
 public:
  MonoTime now() const override { return time; }
  WallTime wall() const override { return {}; }
  MonoTime time;
};

class TicketKeysOf : public testing::Test {
 protected:
  SetClock clock;
  TicketKeys keys{clock};
};

TEST_F(TicketKeysOf, AnHourAreTheSame) {
  const auto first = keys.newest();
  clock.time += 59min;
  EXPECT_EQ(keys.newest().name, first.name);
  const auto found = keys.find(first.name.data());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->newest);
  EXPECT_EQ(found->key.cipher, first.cipher);
  EXPECT_EQ(found->key.mac, first.mac);
}

TEST_F(TicketKeysOf, TheHourBeforeStillOpenWhatTheyHaveSealed) {
  const auto first = keys.newest();
  clock.time += 1h;
  const auto second = keys.newest();
  EXPECT_NE(second.name, first.name);
  EXPECT_NE(second.cipher, first.cipher);
  const auto found = keys.find(first.name.data());
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->newest);
  EXPECT_EQ(found->key.cipher, first.cipher);
}

TEST_F(TicketKeysOf, TimesBeyondAnyTicketAreForgotten) {
  const auto first = keys.newest();
  clock.time += 59min;  // sealed as late as it may be
  const auto sealed = clock.time;
  clock.time = sealed + TicketKeys::session_time;
  EXPECT_TRUE(keys.find(first.name.data()));
  clock.time += 1h;
  EXPECT_FALSE(keys.find(first.name.data()));
}

TEST_F(TicketKeysOf, AQuietNightAreAllNew) {
  const auto first = keys.newest();
  clock.time += 12h;
  EXPECT_FALSE(keys.find(first.name.data()));
  const auto next = keys.newest();
  EXPECT_TRUE(keys.find(next.name.data())->newest);
  clock.time += 59min;
  EXPECT_EQ(keys.newest().name, next.name);
}

TEST_F(TicketKeysOf, SomebodyElseOpenNothing) {
  TicketKeys others(clock);
  EXPECT_FALSE(keys.find(others.newest().name.data()));
}

}  // namespace
}  // namespace hangup::net
