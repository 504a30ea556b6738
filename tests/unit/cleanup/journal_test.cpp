#include "cleanup/journal.h"

#include "cleanup/snapshot.h"
#include "support/capturing_sink.h"
#include "support/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <hangup/config/config.h>

namespace hangup::cleanup {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::SizeIs;

// Says of every variable its name and a number of bytes.
struct FakeSource final : config::VariableSource {
  explicit FakeSource(std::size_t bytes) : padding(bytes, 'x') {}
  std::optional<std::string_view> value(const config::VariableRef& ref, std::string& scratch) const override {
    scratch = config::variable_name(ref) + padding;
    return scratch;
  }
  std::string padding;
};

config::Route make_route() {
  config::Route route;
  route.name = "reports";
  auto cleanup = std::make_shared<config::Cleanup>();
  cleanup->url = *config::Template::parse("http://127.0.0.1:9/{request.header.x-job}");
  route.on_disconnect.cleanups = {cleanup};
  return route;
}

std::string snapshot_of(const std::string& request_id, std::size_t bytes = 0) {
  std::string snapshot;
  SnapshotPlan(make_route()).append(snapshot, FakeSource(bytes), request_id, WallTime());
  return snapshot;
}

class JournalTest : public testing::Test {
 protected:
  std::unique_ptr<MappedJournal> make(MappedJournal::Limits limits = {}) {
    return std::make_unique<MappedJournal>(journal_base(outbox), limits, clock, log.logger);
  }
  // Runs it in a process that is then killed.
  void killed(const std::function<void(MappedJournal&)>& work, MappedJournal::Limits limits = {}) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto journal = make(limits);
      work(*journal);
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }
  std::map<std::string, Leftover> left() const {
    std::map<std::string, Leftover> found;
    for (const LeftJournal& journal : read_left_journals(outbox)) {
      EXPECT_EQ(journal.damaged, 0U);
      for (const Leftover& entry : journal.entries)
        found[decode_snapshot(entry.snapshot)->request_id] = entry;
    }
    return found;
  }

  test::TempDir dir;
  std::filesystem::path outbox = dir / "outbox.db";
  SystemClock clock;
  test::CapturingLogger log;
};

TEST_F(JournalTest, AKilledProcessLeavesTheExchangesThatWereInFlight) {
  killed([](MappedJournal& journal) {
    const auto one = journal.enter(snapshot_of("one"));
    const auto two = journal.enter(snapshot_of("two"));
    const auto three = journal.enter(snapshot_of("three"));
    journal.set_phase(one, Phase::streaming_response);
    journal.leave(two);
    journal.set_finishing(three, true);
  });
  const auto found = left();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found.at("one").snapshot, snapshot_of("one"));
  EXPECT_EQ(found.at("one").phase, Phase::streaming_response);
  EXPECT_FALSE(found.at("one").finishing);
  EXPECT_TRUE(found.at("three").finishing);
}

TEST_F(JournalTest, FinishingCanBeTakenBackAndKeepsThePhase) {
  killed([](MappedJournal& journal) {
    const auto one = journal.enter(snapshot_of("one"));
    journal.set_phase(one, Phase::awaiting_response);
    journal.set_finishing(one, true);
    journal.set_finishing(one, false);
  });
  EXPECT_FALSE(left().at("one").finishing);
  EXPECT_EQ(left().at("one").phase, Phase::awaiting_response);
}

TEST_F(JournalTest, TheLatestSnapshotCounts) {
  killed([](MappedJournal& journal) {
    auto entry = journal.enter(snapshot_of("one"));
    journal.set_phase(entry, Phase::streaming_response);
    for (std::size_t bytes : {10U, 3000U, 20U}) entry = journal.replace(entry, snapshot_of("one", bytes));
  });
  EXPECT_EQ(left().at("one").snapshot, snapshot_of("one", 20));
  EXPECT_EQ(left().at("one").phase, Phase::streaming_response);
}

TEST_F(JournalTest, SnapshotsOfAnySizeComeBackWhole) {
  killed([](MappedJournal& journal) {
    for (std::size_t bytes = 0; bytes < 1300; bytes += 13)
      journal.enter(snapshot_of("r" + std::to_string(bytes), bytes));
  });
  const auto found = left();
  EXPECT_THAT(found, SizeIs(100));
  for (std::size_t bytes = 0; bytes < 1300; bytes += 13) {
    const std::string id = "r" + std::to_string(bytes);
    EXPECT_EQ(found.at(id).snapshot, snapshot_of(id, bytes));
  }
}

TEST_F(JournalTest, GrowsToItsBoundAndUsesSlotsAgain) {
  constexpr MappedJournal::Limits small{
      .first_bytes = 4096, .most_bytes = std::size_t{16} * 1024, .record_bytes = 2000};
  killed(
      [](MappedJournal& journal) {
        std::vector<InFlightJournal::Entry> entries;
        for (int i = 0;; ++i) {
          const auto entry = journal.enter(snapshot_of("r" + std::to_string(i)));
          if (entry == InFlightJournal::none) break;
          entries.push_back(entry);
        }
        if (entries.size() != 15) ::_exit(1);  // one slot is the header
        if (journal.replace(entries[0], snapshot_of("r0", 10)) != entries[0]) ::_exit(2);
        journal.leave(entries[3]);
        if (journal.enter(snapshot_of("last")) == InFlightJournal::none) ::_exit(3);
        journal.leave(entries[4]);
        if (journal.enter(snapshot_of("too big", 1000)) != InFlightJournal::none) ::_exit(4);
      },
      small);
  const auto found = left();
  EXPECT_THAT(found, SizeIs(14));
  EXPECT_TRUE(found.contains("last"));
  EXPECT_FALSE(found.contains("r3"));
}

TEST_F(JournalTest, AKillAtAnyMomentLeavesWholeRecordsOnly) {
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto journal = make();
      std::vector<InFlightJournal::Entry> entries(16, InFlightJournal::none);
      for (unsigned i = 0;; ++i) {
        auto& entry = entries[i % entries.size()];
        if (i % 3 == 0) {
          entry = journal->replace(entry, snapshot_of("slot" + std::to_string(i % 16), i % 300));
        } else {
          journal->leave(entry);
          entry = journal->enter(snapshot_of("slot" + std::to_string(i % 16), i % 200));
        }
      }
    }
    test::eventually("a journal", [&] { return !std::filesystem::is_empty(dir.path()); });
    std::this_thread::sleep_for(std::chrono::microseconds(997 * round));  // any moment will do
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (const LeftJournal& journal : read_left_journals(outbox)) {
      EXPECT_EQ(journal.damaged, 0U);
      EXPECT_LE(journal.entries.size(), 16U);
      std::filesystem::remove(journal.path);
    }
  }
}

TEST_F(JournalTest, TheJournalOfALivingProcessIsLeftAlone) {
  const auto journal = make();
  journal->enter(snapshot_of("one"));
  EXPECT_THAT(read_left_journals(outbox), IsEmpty());
}

TEST_F(JournalTest, AnEmptyOneGoesWithItsWorker) {
  const auto entry = make();
  entry->leave(entry->enter(snapshot_of("one")));
  make().reset();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST_F(JournalTest, DamageIsCountedAndHidesNothingElse) {
  killed([](MappedJournal& journal) {
    journal.enter(snapshot_of("one"));
    journal.enter(snapshot_of("two"));
  });
  const auto path = read_left_journals(outbox).at(0).path;
  std::string bytes = test::read_file(path);
  bytes[bytes.find("one")] = '1';
  test::write_file(path, bytes);
  const auto journals = read_left_journals(outbox);
  EXPECT_EQ(journals.at(0).damaged, 1U);
  ASSERT_THAT(journals.at(0).entries, SizeIs(1));
  EXPECT_EQ(decode_snapshot(journals.at(0).entries[0].snapshot)->request_id, "two");
}

TEST_F(JournalTest, WithoutADirectoryNothingIsNotedAndTheLogSaysSo) {
  MappedJournal journal(dir / "missing" / "outbox.db.inflight-1", {}, clock, log.logger);
  EXPECT_EQ(journal.enter(snapshot_of("one")), InFlightJournal::none);
  journal.set_phase(InFlightJournal::none, Phase::tunnel);
  journal.set_finishing(InFlightJournal::none, true);
  journal.leave(InFlightJournal::none);
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("No such file or directory")));
}

TEST(Snapshot, HoldsWhatCleanupsAndTheLogLineName) {
  const SnapshotPlan plan(make_route());
  EXPECT_TRUE(plan.wanted());
  EXPECT_TRUE(plan.names_response());  // the event has its status
  const auto snapshot = decode_snapshot(snapshot_of("req"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->route, "reports");
  EXPECT_EQ(snapshot->value("request.header.x-job"), "request.header.x-job");
  for (const char* name : {"request.method", "request.host", "request.path", "request.query", "client.ip",
                           "client.port", "upstream.server", "response.status", "auth.name"})
    EXPECT_EQ(snapshot->value(name), name);
}

TEST(Snapshot, KeepsAProxysRequestIdBesideOurOwn) {
  const auto given = decode_snapshot(snapshot_of("own"));
  ASSERT_TRUE(given);
  EXPECT_EQ(given->request_id, "own");
  EXPECT_EQ(given->shown_id(), "request.id");  // as the source has it
  const auto own = decode_snapshot(snapshot_of("request.id"));
  ASSERT_TRUE(own);
  EXPECT_EQ(own->value("request.id"), std::nullopt);
  EXPECT_EQ(own->shown_id(), "request.id");
}

TEST(Snapshot, IsNotWantedWhereACrashCallsNothing) {
  config::Route route = make_route();
  route.cleanup_on = {Outcome::client_gone};
  EXPECT_FALSE(SnapshotPlan(route).wanted());
  route = make_route();
  route.on_disconnect.cleanups.clear();
  EXPECT_FALSE(SnapshotPlan(route).wanted());
}

TEST(Snapshot, RefusesEveryTruncationThatCutsAValue) {
  const std::string bytes = snapshot_of("req");
  for (std::size_t size = 0; size + 1 < bytes.size(); ++size) {
    const auto snapshot = decode_snapshot(std::string_view(bytes).substr(0, size));
    if (snapshot) {
      EXPECT_EQ(snapshot->request_id, "req");
    }
  }
  EXPECT_FALSE(decode_snapshot(std::string_view(bytes).substr(0, bytes.size() - 1)));
  EXPECT_FALSE(decode_snapshot(""));
}

}  // namespace
}  // namespace hangup::cleanup
