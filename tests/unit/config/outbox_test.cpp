// Where deliveries are kept.
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hangup::config {
namespace {

using testing::IsEmpty;

Outbox outbox_of(const std::string& text) {
  return valid(with(text))->outbox;
}

TEST(Outbox, IsADatabaseWithAJournalUnlessToldOtherwise) {
  for (const std::string text : {"", "outbox: {store: sqlite}\n"}) {
    const Outbox usual = outbox_of(text);
    EXPECT_EQ(usual.store, Outbox::Store::sqlite);
    EXPECT_EQ(usual.path, "/var/lib/hangup/outbox.db");
    EXPECT_TRUE(usual.in_flight_journal);
    EXPECT_EQ(usual.keep_delivered, hours(24));
  }
}

TEST(Outbox, TakesEveryValue) {
  const Outbox given =
      outbox_of("outbox: {store: sqlite, path: /srv/x.db, in_flight_journal: false, keep_delivered: 7m}\n");
  EXPECT_EQ(given.path, "/srv/x.db");
  EXPECT_FALSE(given.in_flight_journal);
  EXPECT_EQ(given.keep_delivered, minutes(7));
  EXPECT_EQ(outbox_of("outbox: {keep_delivered: 0}\n").keep_delivered, Duration::zero());
  EXPECT_EQ(outbox_of("outbox: {keep_delivered: forever}\n").keep_delivered, std::nullopt);
}

TEST(Outbox, InMemoryThereIsNoJournal) {
  EXPECT_EQ(outbox_of("outbox: {store: memory}\n").store, Outbox::Store::memory);
  EXPECT_FALSE(outbox_of("outbox: {store: memory}\n").in_flight_journal);
  EXPECT_FALSE(outbox_of("outbox: {store: memory, in_flight_journal: false}\n").in_flight_journal);
  expect_problem(with("outbox: {store: memory, in_flight_journal: §true}\n"),
                 "`in_flight_journal`: `store: memory` keeps nothing over a crash, so there is no journal; "
                 "expected false, or `store: sqlite`");
  expect_warning(with("outbox: {store: memory, path: §/srv/x.db}\n"),
                 "`path`: `store: memory` keeps no file; `store: sqlite` does");
}

TEST(Outbox, LivesInTheStateDirectoryOfItsUnit) {
  const Environment directories("STATE_DIRECTORY", "/var/lib/private/hangup:/var/lib/other");
  EXPECT_EQ(outbox_of("").path, "/var/lib/private/hangup/outbox.db");
  EXPECT_EQ(outbox_of("outbox: {store: sqlite}\n").path, "/var/lib/private/hangup/outbox.db");
  EXPECT_EQ(outbox_of("outbox: {path: /srv/x.db}\n").path, "/srv/x.db");
}

TEST(Outbox, IgnoresAStateDirectoryThatIsNone) {
  for (const char* value : {"", ":/var/lib/other", "relative"}) {
    const Environment directories("STATE_DIRECTORY", value);
    EXPECT_EQ(outbox_of("").path, "/var/lib/hangup/outbox.db") << value;
  }
}

TEST(Outbox, ProblemsSayWhatIsExpected) {
  const std::string path = "expected an absolute path, the same from wherever `hangup outbox` is called";
  expect_problem(with("outbox: {path: §outbox.db}\n"), "`path`: found `outbox.db`, " + path);
  expect_problem(with("outbox: {path: §/var/lib/hangup/}\n"), "`path`: found `/var/lib/hangup/`, " + path);
  expect_problem(with("outbox: {store: §sqllite}\n"),
                 "`store`: found `sqllite`, expected sqlite or memory; did you mean `sqlite`?");
  expect_problem(with("outbox: {in_flight_journal: §yes}\n"),
                 "`in_flight_journal`: found `yes`, expected true or false");
  expect_problem(
      with("outbox: {keep_delivered: §never}\n"),
      "`keep_delivered`: found `never`, expected a duration such as 250ms, 30s, 15m or 1h, or forever");
  expect_problem(
      with("outbox: §memory\n"),
      "`outbox`: found `memory`, expected a mapping (keys: store, path, in_flight_journal, keep_delivered)");
}

}  // namespace
}  // namespace hangup::config
