#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

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

// Whoever reads this log has stopped reading.
TEST_F(LoggersTest, LinesOfTheAccessLogThatFindNoRoomAreDroppedAndCounted) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  constexpr std::uint64_t messages = 4000;
  const std::string message(4096, 'x');
  std::uint64_t dropped = 0;
  std::uint64_t written = 0;
  std::jthread reader;
  {
    auto loggers = open_loggers({.enabled = true, .path = "/proc/self/fd/" + std::to_string(ends[1])},
                                {.path = log, .level = "info"});
    ASSERT_TRUE(loggers) << loggers.error().message;
    ::close(ends[1]);
    const auto began = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < messages; ++i)
      loggers->access->log(spdlog::level::info, message + "\n" + message + "\n");
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10)) << "it blocks who logs";
    dropped = loggers->access_lines_dropped->load();
    EXPECT_GT(dropped, messages);
    EXPECT_LT(dropped, 2 * messages);
    reader = std::jthread([&, from = ends[0]] {
      std::vector<char> buffer(65536);
      for (ssize_t size = 0; (size = ::read(from, buffer.data(), buffer.size())) > 0;)
        written += static_cast<std::uint64_t>(std::count(buffer.data(), buffer.data() + size, '\n'));
    });
  }
  reader.join();
  ::close(ends[0]);
  EXPECT_EQ(written + dropped, 2 * messages);
  // What it says of them adds up.
  std::uint64_t said = 0;
  std::istringstream people(content(log));
  for (std::string line; std::getline(people, line);) {
    const std::size_t at = line.find(" warning ");
    if (at != std::string::npos && line.contains("lines of the access log were dropped"))
      said += std::stoull(line.substr(at + 9));
  }
  EXPECT_EQ(said, dropped);
}

TEST_F(LoggersTest, NoAccessLoggerWhenItIsOff) {
  auto loggers = open_loggers({.enabled = false, .path = access}, {.path = log, .level = "info"});
  ASSERT_TRUE(loggers);
  loggers->access->log(spdlog::level::info, "{}\n");
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
