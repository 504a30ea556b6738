#include "support/process.h"

#include "support/hangup.h"

#include <gtest/gtest.h>

#include <csignal>

namespace hangup::test {
namespace {

TEST(Process, RunsToItsEndAndShowsItsOutput) {
  const Finished finished = run({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(finished.exit.status, 3);
  EXPECT_EQ(finished.out, "out\n");
  EXPECT_EQ(finished.err, "err\n");
}

TEST(Process, CanBeSignalledAndReaped) {
  const TempDir dir;
  Process process({"sleep", "1000"}, dir / "out", dir / "err");
  EXPECT_TRUE(process.running());
  process.signal(SIGTERM);
  const auto exit = process.wait();
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->signal, SIGTERM);
}

TEST(LineTail, ReadsWholeLinesAsTheFileGrows) {
  const TempDir dir;
  LineTail tail(dir / "log");
  EXPECT_TRUE(tail.lines().empty());
  write_file(dir / "log", "one\ntw");
  EXPECT_EQ(tail.lines(), std::vector<std::string>{"one"});
  write_file(dir / "log", "one\ntwo\nthree\n");
  EXPECT_EQ(tail.lines(), (std::vector<std::string>{"one", "two", "three"}));
}

TEST(SanitizerReport, FindsEachKind) {
  EXPECT_EQ(sanitizer_report("info listening address=127.0.0.1:1\n"), "");
  EXPECT_NE(sanitizer_report("x\n==1==ERROR: AddressSanitizer: heap-use-after-free"), "");
  EXPECT_NE(sanitizer_report("a.cpp:1:2: runtime error: signed integer overflow"), "");
  EXPECT_NE(sanitizer_report("WARNING: ThreadSanitizer: data race (pid=1)"), "");
}

}  // namespace
}  // namespace hangup::test
