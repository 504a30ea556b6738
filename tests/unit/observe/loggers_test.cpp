#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <hangup/observe/access_log.h>

namespace hangup::observe {
namespace {

namespace fs = std::filesystem;

class LoggersTest : public testing::Test {
 protected:
  LoggersTest() {
    fs::remove_all(directory);
    fs::create_directories(directory);
  }
  ~LoggersTest() override { fs::remove_all(directory); }

  static std::string content(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Result<Loggers> open() {
    return open_loggers({.enabled = true, .path = access}, {.path = log, .level = "warn"});
  }

  const fs::path directory =
      fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
  const fs::path access = directory / "access.log";
  const fs::path log = directory / "hangup.log";
};

TEST_F(LoggersTest, DestructionWritesEverythingThatWasLogged) {
  constexpr int lines = 500;
  {
    auto loggers = open();
    ASSERT_TRUE(loggers) << loggers.error().message;
    for (int i = 0; i < lines; ++i) loggers->access->log(spdlog::level::info, "{\"n\":1}\n{\"n\":2}\n");
    for (int i = 0; i < lines; ++i) loggers->log->warn("number={}", i);
  }
  std::string expected;
  for (int i = 0; i < lines; ++i) expected += "{\"n\":1}\n{\"n\":2}\n";
  EXPECT_EQ(content(access), expected);
  EXPECT_NE(content(log).find("number=499\n"), std::string::npos);
}

TEST_F(LoggersTest, AMessageIsVisibleWithoutAnyOtherCall) {
  auto loggers = open();
  ASSERT_TRUE(loggers);
  loggers->access->log(spdlog::level::info, "{}\n");
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (content(access) != "{}\n" && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_EQ(content(access), "{}\n");
}

TEST_F(LoggersTest, TheLogForPeopleHasTimeLevelAndAThreshold) {
  {
    auto loggers = open();
    ASSERT_TRUE(loggers);
    loggers->log->info("too quiet");
    loggers->log->error("disk full");
  }
  EXPECT_THAT(content(log), testing::MatchesRegex("[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}[.][0-9]{3}"
                                                  "[+-][0-9]{2}:[0-9]{2} error disk full\n"));
}

TEST_F(LoggersTest, BracesInAMessageStandForThemselves) {
  {
    auto loggers = open();
    ASSERT_TRUE(loggers);
    loggers->access->log(spdlog::level::info, spdlog::string_view_t("{} {0} %v %%\n"));
  }
  EXPECT_EQ(content(access), "{} {0} %v %%\n");
}

TEST_F(LoggersTest, AppendsToAFileThatIsThere) {
  std::ofstream(access) << "before\n";
  open();
  EXPECT_EQ(content(access), "before\n");
}

TEST_F(LoggersTest, NoAccessLoggerWhenItIsOff) {
  auto loggers = open_loggers({.enabled = false, .path = access}, {.path = log, .level = "info"});
  ASSERT_TRUE(loggers);
  EXPECT_EQ(loggers->access, nullptr);
  EXPECT_FALSE(fs::exists(access));
}

TEST_F(LoggersTest, AFileThatCantBeWrittenIsNamedWithTheReason) {
  const std::string path = directory / "missing" / "access.log";
  const auto loggers = open_loggers({.enabled = true, .path = path}, {.path = log, .level = "info"});
  ASSERT_FALSE(loggers);
  EXPECT_EQ(loggers.error().message,
            "access_log: can't open " + path + " for appending: No such file or directory");
  EXPECT_FALSE(fs::exists(directory / "missing"));
}

TEST_F(LoggersTest, ADirectoryIsNoLogFile) {
  const auto loggers = open_loggers({.enabled = false}, {.path = directory, .level = "info"});
  ASSERT_FALSE(loggers);
  EXPECT_EQ(loggers.error().message,
            "log: can't open " + directory.string() + " for appending: Is a directory");
}

}  // namespace
}  // namespace hangup::observe
