// How logs are written.
#include "unit/config/support.h"

namespace hangup::config {
namespace {

using testing::HasSubstr;

TEST(LogsSection, HasFormatsAndASample) {
  const auto config =
      parse(with("access_log: {path: syslog, format: '{client.ip} {status}', sample: 0.25}\n"), "f");
  ASSERT_TRUE(config);
  const AccessLog& log = (*config)->access_log;
  EXPECT_EQ(log.path, "syslog");
  ASSERT_TRUE(log.line);
  EXPECT_EQ(log.line->text(), "{client.ip} {status}");
  EXPECT_EQ(log.sample, 0.25);
}

TEST(LogsSection, WritesJsonOfEverythingByDefault) {
  const auto config = parse(with("access_log: {format: json}\n"), "f");
  ASSERT_TRUE(config);
  EXPECT_FALSE((*config)->access_log.line);
  EXPECT_EQ((*config)->access_log.sample, 1);
}

TEST(LogsSection, FaultsAreSaidWhereTheyStand) {
  expect_problem(with("access_log: {format: 'a §{statsu}'}\n"), HasSubstr("did you mean {status}?"));
  expect_problem(with("access_log: {format: §combind}\n"), HasSubstr("did you mean `combined`?"));
  expect_problem(with("access_log: {sample: §1.5}\n"), HasSubstr("a share from 0 to 1"));
  expect_problem(with("access_log: {sample: §nan}\n"), HasSubstr("a share from 0 to 1"));
}

}  // namespace
}  // namespace hangup::config
