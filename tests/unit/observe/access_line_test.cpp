#include "support/capturing_sink.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include <hangup/observe/access_log.h>

namespace hangup::observe {
namespace {

using namespace std::chrono_literals;

AccessRecord answered() {
  AccessRecord record;
  record.start = WallTime(1767323045s) + 67ms;  // 2026-01-02T03:04:05Z
  record.request_id = "018f6c1e";
  record.client_ip = "192.0.2.7";
  record.method = "GET";
  record.path = "/a";
  record.status = 200;
  record.bytes_out = 5;
  record.duration = 1'234us;
  return record;
}

std::string line(std::string_view format, const AccessRecord& record) {
  const auto parsed = config::LogLine::parse(format);
  EXPECT_TRUE(parsed) << parsed.error().message;
  std::string out;
  if (parsed) append_line(out, *parsed, record);
  return out;
}

TEST(AccessLine, CombinedIsNginxsWithOutcomeAndRequestId) {
  http::RequestHead head;
  head.fields.add("User-Agent", "curl/8 (x)");
  AccessRecord record = answered();
  record.request = &head;
  record.user = "ci";
  std::string out;
  append_line(out, config::LogLine::combined(), record);
  EXPECT_EQ(out,
            "192.0.2.7 - ci [02/Jan/2026:03:04:05 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" \"curl/8 (x)\" "
            "outcome=completed request_id=018f6c1e\n");
}

TEST(AccessLine, WritesADashOrTheDefaultForWhatIsNotKnown) {
  EXPECT_EQ(line("{{x} {route} {auth.name|nobody} {duration_ms} {abort_us}", answered()),
            "{x} - nobody 1.234 -\n");
}

TEST(AccessLine, ListsServersThatWereTriedBefore) {
  AccessRecord record = answered();
  const std::vector<std::string_view> tried = {"http://a", "http://b"};
  record.tried = tried;
  record.upstream = "http://c";
  EXPECT_EQ(line("{upstream.server} {tried}", record), "http://c http://a,http://b\n");
  EXPECT_EQ(line("{tried}", answered()), "-\n");
}

TEST(AccessLine, NoValueCanForgeALineOrAField) {
  http::RequestHead head;
  head.fields.add("X-A", "a b\"\\\n\xff");
  AccessRecord record = answered();
  record.request = &head;
  EXPECT_EQ(line("{request.header.x-a} \"{request.header.x-a}\"", record),
            "a\\x20b\\x22\\x5C\\x0A\\xFF \"a b\\x22\\x5C\\x0A\\xFF\"\n");
}

TEST(AccessLine, UnknownVariablesAreNamedWithTheNearest) {
  const auto typo = config::LogLine::parse("a {statsu}");
  ASSERT_FALSE(typo);
  EXPECT_EQ(typo.error().offset, 2U);
  EXPECT_EQ(typo.error().message, "unknown variable {statsu} of the access log: did you mean {status}?");
  const auto secret = config::LogLine::parse("{request.header.Authorization}");
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().message,
            "{request.header.Authorization} may hold a secret, which is never logged");
  EXPECT_FALSE(config::LogLine::parse("{status"));
  EXPECT_FALSE(config::LogLine::parse("{status}\n{status}"));
}

TEST(AccessLogSample, IsAShareOfTheRequestsAndAlwaysTheSameOnes) {
  int logged = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = "018f6c1e-7b7a-7c4e-9c3a-" + std::to_string(100'000'000'000 + i);
    const bool sampled = is_sampled(id, 0.1);
    EXPECT_EQ(sampled, is_sampled(id, 0.1));
    if (sampled) {
      EXPECT_TRUE(is_sampled(id, 0.2)) << "a larger share has all of a smaller one";
    }
    logged += sampled ? 1 : 0;
    EXPECT_TRUE(is_sampled(id, 1));
    EXPECT_FALSE(is_sampled(id, 0));
  }
  EXPECT_NEAR(logged, 1000, 150);
}

TEST(AccessLogSample, LeavesOutCompletedExchangesOnly) {
  test::CapturingLogger captured;
  {
    AccessLog log(captured.logger, {.sample = 0});
    AccessRecord record = answered();
    log.write(record);
    EXPECT_FALSE(log.pending());
    record.outcome = Outcome::rejected;
    log.write(record);
  }
  ASSERT_EQ(captured.messages().size(), 1U);
  EXPECT_NE(captured.messages()[0].find("\"rejected\""), std::string::npos);
}

TEST(AccessLogFormat, ChangesForWhatIsWrittenFromThenOn) {
  test::CapturingLogger captured;
  AccessLog log(captured.logger);
  log.write(answered());
  const auto line = config::LogLine::parse("{status}");
  ASSERT_TRUE(line);
  log.use({.line = *line});
  log.write(answered());
  log.write(answered());
  log.use({});
  ASSERT_EQ(captured.messages().size(), 2U);
  EXPECT_TRUE(captured.messages()[0].starts_with("{\"time\""));
  EXPECT_EQ(captured.messages()[1], "200\n200\n");
}

}  // namespace
}  // namespace hangup::observe
