#include "cleanup/durable_store.h"

#include "deliveries.h"
#include "faulty_vfs.h"
#include "support/capturing_sink.h"
#include "support/fake_scheduler.h"
#include "support/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <hangup/cleanup/outbox_file.h>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;
using test::FaultyVfs;
using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::SizeIs;
using Output = DurableStore::Output;

std::vector<std::string> ids_of(const std::vector<DurableStore::ToSend>& deliveries) {
  std::vector<std::string> ids;
  for (const auto& each : deliveries) ids.push_back(each.delivery.id);
  return ids;
}

// Real files, a clock that is turned by hand.
class DurableStoreTest : public testing::Test {
 protected:
  Result<void> open(DurableStore::Options options = {}) {
    store.reset();
    options.path = path;
    store = std::make_unique<DurableStore>(options, clock, log.logger);
    Output output;
    return store->open(output);
  }
  Output add(std::vector<std::vector<Delivery>> exchanges) {
    return store->turn({.exchanges = std::move(exchanges), .updates = {}, .rescued = {}});
  }
  Output report(const std::string& id, DeliveryState state, unsigned attempts = 1) {
    Standing standing{.state = state, .attempts = attempts};
    standing.status = 200;
    if (standing.has_ended()) standing.ended = clock.wall();
    return store->turn({.exchanges = {}, .updates = {{id, standing}}, .rescued = {}});
  }
  Output turn() { return store->turn({}); }
  Output turn_later(Duration later) {
    clock.advance(later);
    return turn();
  }
  // What the next process would send.
  std::vector<std::string> after_restart() {
    EXPECT_TRUE(open());
    return ids_of(turn().send);
  }
  std::map<DeliveryState, std::uint64_t> states() const {
    auto stats = OutboxFile::open(path)->stats(WallTime());
    return stats->counts["stop-report"];
  }

  test::TempDir dir;
  std::filesystem::path path = dir / "outbox.db";
  test::FakeScheduler clock;
  test::CapturingLogger log;
  std::unique_ptr<DurableStore> store;
};

TEST_F(DurableStoreTest, WhatIsCommittedIsSentAndOutlivesTheProcess) {
  ASSERT_TRUE(open());
  EXPECT_THAT(ids_of(add({make_exchange("a", 2), make_exchange("b")}).send),
              ElementsAre("a-0", "a-1", "b-0"));
  EXPECT_TRUE(store->all_saved());
  report("a-0", DeliveryState::delivered);
  report("a-1", DeliveryState::in_flight);
  EXPECT_THAT(after_restart(), ElementsAre("a-1", "b-0"));
  EXPECT_EQ(states(), (std::map<DeliveryState, std::uint64_t>{{DeliveryState::pending, 2},
                                                              {DeliveryState::delivered, 1}}));
}

TEST_F(DurableStoreTest, ALaterLifeGoesOnCountingAttemptsAndWaiting) {
  ASSERT_TRUE(open());
  add({make_exchange("a")});
  Standing standing{.attempts = 2};
  standing.next_attempt = clock.wall() + 4ms;
  store->turn({.exchanges = {}, .updates = {{"a-0", standing}}, .rescued = {}});
  ASSERT_TRUE(open());
  const auto sent = turn().send;
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].attempts, 2U);
  EXPECT_EQ(sent[0].wait, 4ms);
}

TEST_F(DurableStoreTest, AClockSetBackHoldsNothingUpForLong) {
  ASSERT_TRUE(open());
  add({make_exchange("a")});
  Standing standing{.attempts = 1};
  standing.next_attempt = clock.wall() + 1000h;
  store->turn({.exchanges = {}, .updates = {{"a-0", standing}}, .rescued = {}});
  ASSERT_TRUE(open());
  EXPECT_EQ(turn().send.at(0).wait, 1h);
}

TEST_F(DurableStoreTest, AnIdThatIsKnownIsNotTakenTwice) {
  ASSERT_TRUE(open());
  add({make_exchange("a")});
  report("a-0", DeliveryState::delivered);
  const Output again = add({make_exchange("a")});
  EXPECT_THAT(again.send, IsEmpty());
  EXPECT_EQ(again.gone, 1U);
  EXPECT_EQ(states(), (std::map<DeliveryState, std::uint64_t>{{DeliveryState::delivered, 1}}));
}

TEST_F(DurableStoreTest, HoldsABoundedPartOfAReceiversBacklog) {
  ASSERT_TRUE(open({.path = {}, .keep_delivered = {}, .window = {.lane_deliveries = 4}}));
  std::vector<std::vector<Delivery>> exchanges;
  for (int i = 0; i < 5; ++i) exchanges.push_back(make_exchange("e" + std::to_string(i), 2));
  EXPECT_THAT(ids_of(add(exchanges).send), ElementsAre("e0-0", "e0-1", "e1-0", "e1-1"));
  EXPECT_EQ(store->waiting_in_file(), 6U);
  EXPECT_THAT(report("e0-0", DeliveryState::delivered).send, IsEmpty());
  EXPECT_THAT(report("e0-1", DeliveryState::delivered).send, IsEmpty());
  EXPECT_THAT(ids_of(report("e1-0", DeliveryState::delivered).send), ElementsAre("e2-0", "e2-1", "e3-0"));
  EXPECT_THAT(after_restart(), ElementsAre("e1-1", "e2-0", "e2-1", "e3-0", "e3-1", "e4-0", "e4-1"));
}

TEST_F(DurableStoreTest, ADeadReceiversBacklogHoldsUpNoOther) {
  ASSERT_TRUE(open({.path = {}, .keep_delivered = {}, .window = {.lane_deliveries = 2, .deliveries = 3}}));
  for (int i = 0; i < 10; ++i) add({{make_delivery("dead" + std::to_string(i), 0, "http://127.0.0.1:1/")}});
  for (int i = 0; i < 10; ++i) {
    const std::string id = "alive" + std::to_string(i);
    EXPECT_THAT(ids_of(add({{make_delivery(id, 0, "http://127.0.0.1:2/")}}).send), ElementsAre(id + "-0"));
    report(id + "-0", DeliveryState::delivered);
  }
}

// As a route has it that tells one receiver and then another, which is down.
TEST_F(DurableStoreTest, ADeadReceiverHoldsUpNoneThatIsCalledBeforeIt) {
  ASSERT_TRUE(open({.path = {}, .keep_delivered = {}, .window = {.lane_deliveries = 2}}));
  std::vector<std::string> sent;
  for (int i = 0; i < 10; ++i) {
    const std::string id = "x" + std::to_string(i);
    const auto now = ids_of(
        add({{make_delivery(id, 0, "http://127.0.0.1:2/"), make_delivery(id, 1, "http://127.0.0.1:1/")}})
            .send);
    sent.insert(sent.end(), now.begin(), now.end());
    EXPECT_THAT(report(id + "-0", DeliveryState::delivered).send, IsEmpty());
  }
  EXPECT_THAT(sent, ElementsAre("x0-0", "x0-1", "x1-0", "x1-1", "x2-0", "x3-0", "x4-0", "x5-0", "x6-0",
                                "x7-0", "x8-0", "x9-0"));
  EXPECT_EQ(store->waiting_in_file(), 8U);
}

TEST_F(DurableStoreTest, WhatStaysInTheFileIsFollowedByNothingThatComesAfterIt) {
  ASSERT_TRUE(open({.path = {}, .keep_delivered = {}, .window = {.lane_deliveries = 1}}));
  const auto exchange = [](const std::string& id) {
    return std::vector<Delivery>{make_delivery(id, 0, "http://127.0.0.1:1/"),
                                 make_delivery(id, 1, "http://127.0.0.1:2/")};
  };
  EXPECT_THAT(ids_of(add({{make_delivery("busy", 0, "http://127.0.0.1:1/")}}).send), ElementsAre("busy-0"));
  EXPECT_THAT(add({exchange("a"), exchange("b")}).send, IsEmpty());
  EXPECT_THAT(ids_of(report("busy-0", DeliveryState::dead).send), ElementsAre("a-0"));
  EXPECT_THAT(ids_of(report("a-0", DeliveryState::dead).send), ElementsAre("a-1", "b-0"));
  EXPECT_THAT(report("b-0", DeliveryState::delivered).send, IsEmpty()) << "its receiver has a-1";
  EXPECT_THAT(ids_of(report("a-1", DeliveryState::delivered).send), ElementsAre("b-1"));
  EXPECT_EQ(store->waiting_in_file(), 0U);
}

TEST_F(DurableStoreTest, WhatAnOperatorDropsIsWaitedForNoLonger) {
  ASSERT_TRUE(open({.path = {}, .keep_delivered = {}, .window = {.lane_deliveries = 1}}));
  add({{make_delivery("busy", 0, "http://127.0.0.1:1/")}});
  add({{make_delivery("a", 0, "http://127.0.0.1:1/"), make_delivery("a", 1, "http://127.0.0.1:2/")}});
  const std::vector<std::string> first{"a-0"};
  ASSERT_EQ(OutboxFile::open(path)->drop(first).value(), 1U);
  EXPECT_THAT(ids_of(turn_later(1s).send), IsEmpty());  // it is seen now, and looked for at the next turn
  EXPECT_THAT(ids_of(turn_later(1s).send), ElementsAre("a-1"));
}

TEST_F(DurableStoreTest, WhatAnOperatorDropsThatIsInMemoryIsWaitedForNoLonger) {
  ASSERT_TRUE(open({.path = {}, .keep_delivered = {}, .window = {.lane_deliveries = 1}}));
  add({{make_delivery("busy", 0, "http://127.0.0.1:1/")}});
  add({{make_delivery("a", 0, "http://127.0.0.1:1/"), make_delivery("a", 1, "http://127.0.0.1:2/")}});
  EXPECT_THAT(ids_of(report("busy-0", DeliveryState::delivered).send), ElementsAre("a-0"));
  const std::vector<std::string> first{"a-0"};
  ASSERT_EQ(OutboxFile::open(path)->drop(first).value(), 1U);
  EXPECT_THAT(turn_later(1s).forget, ElementsAre("a-0"));
  EXPECT_THAT(ids_of(turn_later(1s).send), ElementsAre("a-1"));
}

TEST_F(DurableStoreTest, LivesOnInTroubleAsFarAsTheNextProcessCanTell) {
  FaultyVfs vfs;
  ASSERT_TRUE(open());
  vfs.fail(0, FaultyVfs::for_ever, SQLITE_FULL);
  add({make_exchange("a")});
  ASSERT_NE(store->trouble(), "");
  for (int i = 0; i < 100; ++i) turn_later(1s);
  const WallTime died = clock.wall();
  vfs.heal();
  clock.advance(1h);
  ASSERT_TRUE(open());
  EXPECT_EQ(store->last_sign(), died);
  store.reset();  // before what it reads by
}

TEST_F(DurableStoreTest, PrunesWhatWasDeliveredAndKeepsDeadLetters) {
  ASSERT_TRUE(open({.path = {}, .keep_delivered = 1h, .window = {}}));
  add({make_exchange("a"), make_exchange("b"), make_exchange("c")});
  report("a-0", DeliveryState::delivered);
  report("b-0", DeliveryState::dead);
  turn_later(59min);
  EXPECT_EQ(states().at(DeliveryState::delivered), 1U);
  turn_later(2min);
  EXPECT_EQ(states(),
            (std::map<DeliveryState, std::uint64_t>{{DeliveryState::pending, 1}, {DeliveryState::dead, 1}}));
}

TEST_F(DurableStoreTest, TheFileDoesNotGrowAtASteadyLoad) {
  ASSERT_TRUE(open({.path = {}, .keep_delivered = 0s, .window = {}}));
  std::uintmax_t early = 0;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 50; ++i) add({make_exchange("r" + std::to_string(round) + "." + std::to_string(i))});
    for (int i = 0; i < 50; ++i)
      report("r" + std::to_string(round) + "." + std::to_string(i) + "-0", DeliveryState::delivered);
    turn_later(2s);
    if (round == 20) early = std::filesystem::file_size(path);
  }
  EXPECT_LE(std::filesystem::file_size(path), early + early / 4 + 65536);
}

TEST_F(DurableStoreTest, AnOperatorsChangesAreSeenWithinASecond) {
  ASSERT_TRUE(open());
  add({make_exchange("a"), make_exchange("b"), make_exchange("c")});
  report("a-0", DeliveryState::dead);
  auto file = OutboxFile::open(path);
  ASSERT_TRUE(file);
  const std::vector<std::string> a{"a-0"}, b{"b-0"}, c{"c-0"};
  EXPECT_EQ(file->retry(a, clock.wall()).value(), 1U);
  EXPECT_EQ(file->retry(b, clock.wall()).value(), 1U);
  EXPECT_EQ(file->drop(c).value(), 1U);
  const Output seen = turn_later(1s);
  EXPECT_THAT(ids_of(seen.send), ElementsAre("a-0"));
  EXPECT_EQ(seen.send[0].attempts, 0U);
  EXPECT_THAT(seen.retry_now, ElementsAre("b-0"));
  EXPECT_THAT(seen.forget, ElementsAre("c-0"));
  EXPECT_EQ(seen.found, 1U);
  EXPECT_THAT(turn_later(1s).send, IsEmpty());
}

TEST_F(DurableStoreTest, ASecondProcessIsToldWhoHoldsTheFile) {
  ASSERT_TRUE(open());
  DurableStore second({.path = path, .keep_delivered = {}, .window = {}}, clock, log.logger);
  Output output;
  const auto opened = second.open(output);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("held by process " + std::to_string(::getpid())));
}

void execute(const std::filesystem::path& path, const char* sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
  sqlite3_close(database);
}

TEST_F(DurableStoreTest, AFileOfALaterVersionIsLeftAlone) {
  ASSERT_TRUE(open());
  store.reset();
  execute(path, "PRAGMA user_version = 99");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("later version of hangup (schema 99"));
  EXPECT_FALSE(OutboxFile::open(path));
}

TEST_F(DurableStoreTest, ADatabaseOfSomethingElseIsLeftAlone) {
  execute(path, "CREATE TABLE songs (title TEXT)");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("name another file by outbox.path"));
}

// ---- Faults

TEST_F(DurableStoreTest, WhateverFailsWheneverNothingIsLostAndItRecovers) {
  // No SQLITE_BUSY: SQLite expects it from locks only, and takes a file's write that gives it for no error of
  // the file. Locks have a test of their own.
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, SQLITE_READONLY}) {
    for (const long count : {1L, FaultyVfs::for_ever}) {
      for (long first = 0;; ++first) {
        std::filesystem::remove_all(dir.path());
        std::filesystem::create_directory(dir.path());
        FaultyVfs vfs;
        vfs.fail(first, count, code);
        std::multiset<std::string> sent;
        const auto note = [&](const Output& output) {
          for (const auto& id : ids_of(output.send)) sent.insert(id);
          EXPECT_THAT(output.given_up, IsEmpty());
        };
        ASSERT_TRUE(open());
        note(add({make_exchange("a", 2)}));
        note(add({make_exchange("b")}));
        note(report("a-0", DeliveryState::delivered));
        const bool hit = vfs.failures() > 0;
        vfs.heal();
        for (int i = 0; i < 4; ++i) note(turn_later(2s));
        EXPECT_TRUE(store->all_written()) << store->trouble();
        EXPECT_EQ(store->trouble(), "");
        ASSERT_EQ(sent, (std::multiset<std::string>{"a-0", "a-1", "b-0"})) << code << " at " << first;
        ASSERT_THAT(after_restart(), testing::UnorderedElementsAre("a-1", "b-0")) << code << " at " << first;
        store.reset();
        if (!hit) break;
      }
    }
  }
}

TEST_F(DurableStoreTest, TroubleIsLoggedOnceAndItsEndToo) {
  FaultyVfs vfs;
  ASSERT_TRUE(open());
  vfs.fail(0, FaultyVfs::for_ever, SQLITE_FULL);
  for (int i = 0; i < 10; ++i) {
    add({make_exchange("e" + std::to_string(i))});
    clock.advance(2s);
  }
  EXPECT_THAT(store->trouble(), HasSubstr("outbox.db"));
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("kept in memory")));
  vfs.heal();
  turn();
  EXPECT_EQ(store->trouble(), "");
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("kept in memory"), HasSubstr("works again")));
  EXPECT_THAT(after_restart(), SizeIs(10));
  store.reset();
}

TEST_F(DurableStoreTest, BeyondTheBoundOfTheMemoryANewOneIsGivenUp) {
  path = dir / "missing" / "deep" / "outbox.db";
  ASSERT_TRUE(open({.path = {}, .keep_delivered = {}, .window = {}, .memory_deliveries = 2}));
  const Output output = add({make_exchange("a"), make_exchange("b"), make_exchange("c")});
  EXPECT_THAT(ids_of(output.send), ElementsAre("a-0", "b-0"));
  ASSERT_THAT(output.given_up, SizeIs(1));
  EXPECT_EQ(output.given_up[0].id, "c-0");
  report("a-0", DeliveryState::delivered);
  EXPECT_THAT(ids_of(add({make_exchange("d")}).send), ElementsAre("d-0"));
}

TEST_F(DurableStoreTest, ADirectoryThatIsMissingIsMadeIfItsParentIsThere) {
  path = dir / "new" / "outbox.db";
  ASSERT_TRUE(open());
  EXPECT_EQ(store->trouble(), "");
  add({make_exchange("a")});
  EXPECT_THAT(after_restart(), ElementsAre("a-0"));
}

TEST_F(DurableStoreTest, AFileThatComesBackIsUsedAgain) {
  path = dir / "mount" / "deep" / "outbox.db";
  ASSERT_TRUE(open());
  EXPECT_THAT(ids_of(add({make_exchange("a")}).send), ElementsAre("a-0"));
  std::filesystem::create_directories(path.parent_path());
  EXPECT_THAT(turn_later(2s).send, IsEmpty());
  EXPECT_TRUE(store->all_saved());
  EXPECT_THAT(after_restart(), ElementsAre("a-0"));
}

TEST_F(DurableStoreTest, LockedByAnotherConnectionItSendsFromMemoryMeanwhile) {
  ASSERT_TRUE(open());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_THAT(ids_of(add({make_exchange("a")}).send), ElementsAre("a-0"));
  EXPECT_THAT(store->trouble(), HasSubstr("locked"));
  sqlite3_close(other);
  turn_later(2s);
  EXPECT_EQ(store->trouble(), "");
  EXPECT_THAT(after_restart(), ElementsAre("a-0"));
}

class DamagedFile : public DurableStoreTest {
 protected:
  std::vector<std::string> set_aside() const {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(dir.path())) {
      const std::string name = file.path().filename().string();
      if (name.contains(".corrupt-")) names.push_back(name);
    }
    return names;
  }
};

TEST_F(DamagedFile, IsSetAsideAtTheStartAndANewOneBegun) {
  ASSERT_TRUE(open());
  add({make_exchange("a")});
  store.reset();
  std::string bytes = test::read_file(path);
  bytes.replace(0, 16, "not a database..");
  test::write_file(path, bytes);
  ASSERT_TRUE(open());
  EXPECT_EQ(store->trouble(), "");
  EXPECT_THAT(set_aside(), ElementsAre("outbox.db.corrupt-20260102T030405Z"));
  EXPECT_EQ(test::read_file(dir / set_aside()[0]), bytes);
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("set aside as")));
  EXPECT_THAT(ids_of(add({make_exchange("b")}).send), ElementsAre("b-0"));
}

TEST_F(DamagedFile, InTheMiddleWhatIsInMemoryIsWrittenToTheNewOne) {
  ASSERT_TRUE(open({.path = {}, .keep_delivered = {}, .window = {.lane_deliveries = 10}}));
  std::vector<Delivery> held;
  for (int i = 0; i < 500; ++i) {
    for (const auto& each : add({make_exchange("e" + std::to_string(i))}).send) held.push_back(each.delivery);
  }
  ASSERT_THAT(held, SizeIs(10));
  execute(path, "PRAGMA wal_checkpoint(TRUNCATE)");
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    for (std::size_t page = 2; page < std::filesystem::file_size(path) / 4096; ++page) {
      file.seekp(static_cast<std::streamoff>(page * 4096));
      file << std::string(100, '\xff');
    }
  }
  Output lost;
  for (const Delivery& delivery : held) {
    lost = report(delivery.id, DeliveryState::in_flight);
    if (lost.rescue) break;
    execute(path, "CREATE TABLE IF NOT EXISTS unrelated (x)");  // another's write empties the page cache
  }
  ASSERT_TRUE(lost.rescue);
  EXPECT_THAT(set_aside(), SizeIs(1));
  store->turn({.exchanges = {}, .updates = {}, .rescued = held});
  turn();
  EXPECT_EQ(store->trouble(), "");
  EXPECT_THAT(after_restart(), SizeIs(10));
}

TEST_F(DamagedFile, ARemovedFileIsBegunAnewWithWhatIsInMemory) {
  ASSERT_TRUE(open());
  const auto sent = add({make_exchange("a")}).send;
  std::filesystem::remove(path);
  std::filesystem::remove(path.string() + "-wal");
  EXPECT_TRUE(turn_later(1s).rescue);
  store->turn({.exchanges = {}, .updates = {}, .rescued = {sent.at(0).delivery}});
  turn();
  EXPECT_THAT(after_restart(), ElementsAre("a-0"));
}

}  // namespace
}  // namespace hangup::cleanup
