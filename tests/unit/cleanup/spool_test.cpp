#include "cleanup/spool.h"

#include "deliveries.h"
#include "support/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

namespace hangup::cleanup {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty;

Spool opened(const std::filesystem::path& path) {
  Spool spool(path);
  spool.read();
  return spool;
}

class SpoolTest : public testing::Test {
 protected:
  std::vector<std::string> left() const {
    std::vector<std::string> ids;
    for (const auto& exchange : Spool(path).read().exchanges) {
      for (const Delivery& delivery : exchange) ids.push_back(delivery.id);
    }
    return ids;
  }

  test::TempDir dir;
  std::filesystem::path path = dir / "outbox.db";
};

TEST_F(SpoolTest, WhatAKilledProcessAddedIsFound) {
  const pid_t child = ::fork();
  if (child == 0) {
    Spool spool = opened(path);
    for (const char* id : {"one", "two", "three"}) spool.append(make_exchange(id, 2));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(left(), ElementsAre("one-0", "one-1", "two-0", "two-1", "three-0", "three-1"));
}

TEST_F(SpoolTest, WhatIsCommittedIsNotFoundAgain) {
  Spool spool = opened(path);
  spool.append(make_exchange("one"));
  spool.flip();  // one is taken
  spool.append(make_exchange("two"));
  spool.commit_done();
  EXPECT_THAT(left(), ElementsAre("two-0"));
  spool.flip();
  spool.commit_done();
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(SpoolTest, WhatIsNotCommittedStaysOverManyTurns) {
  Spool spool = opened(path);
  spool.append(make_exchange("one"));
  spool.flip();
  spool.append(make_exchange("two"));
  spool.flip();  // one's commit has failed: its file is not written to
  spool.append(make_exchange("three"));
  EXPECT_THAT(left(), testing::UnorderedElementsAre("one-0", "two-0", "three-0"));
  spool.commit_done();  // of what was taken by then: one
  EXPECT_THAT(left(), ElementsAre("two-0", "three-0"));
}

TEST_F(SpoolTest, ATornRecordIsIgnoredWhereverItEnds) {
  opened(path).append(make_exchange("whole"));
  const std::filesystem::path file = dir / "outbox.db.spool-0";
  const std::string whole = test::read_file(file);
  Spool second = opened(dir / "other.db");
  second.append(make_exchange("torn"));
  const std::string torn = test::read_file(dir / "other.db.spool-0");
  for (std::size_t size = 0; size < torn.size(); ++size) {
    test::write_file(file, whole + torn.substr(0, size));
    Spool spool(path);
    const Spool::Found found = spool.read();
    ASSERT_EQ(found.exchanges.size(), 1U);
    ASSERT_EQ(found.torn, size);
    spool.append(make_exchange("next"));
    ASSERT_THAT(left(), ElementsAre("whole-0", "next-0"));
  }
}

TEST_F(SpoolTest, ADamagedRecordIsIgnored) {
  opened(path).append(make_exchange("one"));
  const std::filesystem::path file = dir / "outbox.db.spool-0";
  const std::string good = test::read_file(file);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    test::write_file(file, bytes);
    ASSERT_THAT(left(), IsEmpty()) << at;
  }
}

TEST_F(SpoolTest, AFullDiskIsTroubleUntilThereIsRoom) {
  Spool spool = opened(path);
  const auto unlimited = [] {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    return limit;
  }();
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = unlimited;
  limit.rlim_cur = 400;  // in the middle of the second record
  ASSERT_TRUE(spool.append(make_exchange("one")));
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const bool written = spool.append(make_exchange("two"));
  ::setrlimit(RLIMIT_FSIZE, &unlimited);
  std::signal(SIGXFSZ, previous);
  EXPECT_FALSE(written);
  EXPECT_THAT(spool.trouble(), HasSubstr("can't write " + path.string() + ".spool-0"));
  EXPECT_TRUE(spool.append(make_exchange("three")));
  EXPECT_EQ(spool.trouble(), "");
  EXPECT_THAT(left(), ElementsAre("one-0", "three-0"));
}

// What an earlier process left in a file that can't be opened yet must not be written over later.
TEST_F(SpoolTest, AFileThatWasNotReadIsNotWrittenTo) {
  opened(path).append(make_exchange("left"));
  const std::filesystem::path file = dir / "outbox.db.spool-0";
  std::filesystem::rename(file, dir / "aside");
  std::filesystem::create_directory(file);  // nobody can open this for writing, not even root
  Spool spool(path);
  EXPECT_THAT(spool.read().exchanges, IsEmpty());
  EXPECT_THAT(spool.trouble(), HasSubstr("can't open " + file.string()));
  EXPECT_FALSE(spool.append(make_exchange("next")));
  std::filesystem::remove(file);
  std::filesystem::rename(dir / "aside", file);
  const Spool::Found found = spool.try_again();
  ASSERT_EQ(found.exchanges.size(), 1U);
  EXPECT_EQ(found.exchanges[0][0].id, "left-0");
  EXPECT_EQ(spool.trouble(), "");
  EXPECT_TRUE(spool.append(make_exchange("next")));
  EXPECT_THAT(left(), ElementsAre("left-0", "next-0"));
}

}  // namespace
}  // namespace hangup::cleanup
