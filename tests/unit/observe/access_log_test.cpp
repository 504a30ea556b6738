#include "support/capturing_sink.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <hangup/observe/access_log.h>

namespace hangup::observe {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

const std::vector<std::string> one_cleanup = {"msg_1"};

AccessRecord cut_exchange() {
  AccessRecord record;
  record.tls_version = "TLSv1.3";
  record.tls_cipher = "TLS_AES_128_GCM_SHA256";
  record.start = WallTime(1767323045s) + 67ms + 890us;  // 2026-01-02T03:04:05Z
  record.request_id = "018f6c1e-7b7a-7c4e-9c3a-2f1d5b8e9a01";
  record.client_ip = "192.0.2.7";
  record.client_port = 40312;
  record.method = "POST";
  record.host = "reports.example.com";
  record.path = "/reports/7";
  record.route = "create-report";
  record.status = 499;
  record.outcome = Outcome::client_gone;
  record.phase = Phase::awaiting_response;
  record.bytes_in = 12;
  record.duration = 1'234'567us;
  record.upstream = "http://127.0.0.1:9000";
  record.upstream_duration = 1'200ms;
  record.abort = 187us;
  record.cleanup_ids = one_cleanup;
  return record;
}

std::string line_of(const AccessRecord& record) {
  std::string out;
  SecondText seconds(&utc_seconds);
  append_json(out, record, seconds);
  return out;
}

TEST(AccessRecordJson, SaysEverythingAboutACutExchange) {
  EXPECT_EQ(
      line_of(cut_exchange()),
      R"({"time":"2026-01-02T03:04:05.067Z","type":"exchange",)"
      R"("request_id":"018f6c1e-7b7a-7c4e-9c3a-2f1d5b8e9a01","trace_id":null,"client":"192.0.2.7:40312",)"
      R"("peer":null,"user":null,)"
      R"("tls_version":"TLSv1.3","tls_cipher":"TLS_AES_128_GCM_SHA256",)"
      R"("method":"POST","host":"reports.example.com","path":"/reports/7","route":"create-report",)"
      R"("status":499,"outcome":"client_gone","phase":"awaiting_response","bytes_in":12,"bytes_out":0,)"
      R"("duration_ms":1234.567,"ttfb_ms":null,"upstream":"http://127.0.0.1:9000",)"
      R"("tried":null,"upstream_ms":1200.000,"abort_us":187,"cleanup":["msg_1"]})"
      "\n");
}

TEST(AccessRecordJson, HasNullForWhatIsNotKnown) {
  AccessRecord record;
  record.client_ip = "unix";
  record.status = 400;
  record.outcome = Outcome::rejected;
  record.error = "bad request line";
  const Json json = Json::parse(line_of(record));
  for (const char* key :
       {"method", "host", "path", "route", "ttfb_ms", "upstream", "upstream_ms", "abort_us", "cleanup"}) {
    EXPECT_TRUE(json.at(key).is_null()) << key;
  }
  EXPECT_EQ(json.at("client"), "unix");
  EXPECT_TRUE(json.at("tls_version").is_null());
  EXPECT_TRUE(json.at("tls_cipher").is_null());
  EXPECT_EQ(json.at("error"), "bad request line");
}

TEST(AccessRecordJson, NamesTheProxyInBetweenAndTheUser) {
  AccessRecord record = cut_exchange();
  record.client_port = 0;
  record.peer_ip = "fd00::1";
  record.peer_port = 4711;
  record.user = "anna@example.org";
  const Json json = Json::parse(line_of(record));
  EXPECT_EQ(json.at("client"), "192.0.2.7");
  EXPECT_EQ(json.at("peer"), "[fd00::1]:4711");
  EXPECT_EQ(json.at("user"), "anna@example.org");
}

TEST(AccessRecordJson, ListsTheServersThatWereTriedBefore) {
  AccessRecord record = cut_exchange();
  const std::vector<std::string_view> two = {"http://127.0.0.1:9001", "unix:/run/\"a\".sock"};
  record.tried = two;
  EXPECT_EQ(Json::parse(line_of(record)).at("tried"), Json(two));
}

TEST(AccessRecordJson, LeavesOutAnEmptyError) {
  EXPECT_FALSE(Json::parse(line_of(cut_exchange())).contains("error"));
}

TEST(AccessRecordJson, SaysWhyACleanupIsSkipped) {
  AccessRecord record = cut_exchange();
  record.cleanup_ids = {};
  record.cleanup_skipped = "{request.header.x-job} has no value";
  EXPECT_EQ(Json::parse(line_of(record)).at("cleanup"), "skipped: {request.header.x-job} has no value");
}

TEST(AccessRecordJson, ListsEveryCleanupAndSaysLastWhatIsSkipped) {
  AccessRecord record = cut_exchange();
  const std::vector<std::string> two = {"msg_1", "msg_2"};
  record.cleanup_ids = two;
  EXPECT_EQ(Json::parse(line_of(record)).at("cleanup"), Json::parse(R"(["msg_1","msg_2"])"));
  record.cleanup_skipped = "no value";
  EXPECT_EQ(Json::parse(line_of(record)).at("cleanup"),
            Json::parse(R"(["msg_1","msg_2","skipped: no value"])"));
}

TEST(AccessRecordJson, PutsIpv6AddressesInBrackets) {
  AccessRecord record = cut_exchange();
  record.client_ip = "2001:db8::1";
  EXPECT_EQ(Json::parse(line_of(record)).at("client"), "[2001:db8::1]:40312");
}

TEST(AccessRecordJson, KeepsTheLeadingZerosOfMicroseconds) {
  AccessRecord record = cut_exchange();
  record.duration = 3'000'007ns;
  record.first_byte = 45us;
  const std::string line = line_of(record);
  EXPECT_NE(line.find(R"("duration_ms":3.000,)"), std::string::npos) << line;
  EXPECT_NE(line.find(R"("ttfb_ms":0.045,)"), std::string::npos) << line;
}

TEST(AccessRecordJson, IsRightOnLeapDaysAndAtTheEpoch) {
  AccessRecord record = cut_exchange();
  record.start = WallTime(1709251199s) + 999ms + 999us;
  EXPECT_EQ(Json::parse(line_of(record)).at("time"), "2024-02-29T23:59:59.999Z");
  record.start = WallTime{};
  EXPECT_EQ(Json::parse(line_of(record)).at("time"), "1970-01-01T00:00:00.000Z");
}

TEST(AccessRecordJson, IsValidForEveryByteInEveryText) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string hostile = std::string("a") + static_cast<char>(byte) + "\"\\\xf0\x9f";
    AccessRecord record = cut_exchange();
    record.request_id = record.client_ip = record.method = record.host = record.path = record.route = hostile;
    record.upstream = record.error = hostile;
    const std::vector<std::string> ids = {hostile};
    record.cleanup_ids = ids;
    const std::vector<std::string_view> servers = {hostile};
    record.tried = servers;
    const std::string line = line_of(record);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    const Json json = Json::parse(line, nullptr, false);
    ASSERT_FALSE(json.is_discarded()) << line;
    EXPECT_EQ(json.size(), 26U);
    if (byte < 0x80) {
      EXPECT_EQ(json.at("path").get<std::string>().substr(0, 4), hostile.substr(0, 4));
    }
    record.cleanup_ids = {};
    record.cleanup_skipped = hostile;
    EXPECT_TRUE(Json::accept(line_of(record)));
  }
}

class AccessLogTest : public testing::Test {
 protected:
  std::vector<std::string> messages() const { return captured.messages(); }
  test::CapturingLogger captured;
  std::shared_ptr<spdlog::logger> logger = captured.logger;
};

TEST_F(AccessLogTest, HandsOverAllLinesOfATurnAsOneMessage) {
  AccessLog log(logger);
  const AccessRecord record = cut_exchange();
  log.write(record);
  log.write(record);
  EXPECT_TRUE(messages().empty());
  log.flush();
  ASSERT_EQ(messages().size(), 1U);
  EXPECT_EQ(messages().front(), line_of(record) + line_of(record));
}

TEST_F(AccessLogTest, SaysNothingWhenThereIsNothingToSay) {
  AccessLog log(logger);
  log.flush();
  log.write(cut_exchange());
  log.flush();
  log.flush();
  EXPECT_EQ(messages().size(), 1U);
}

TEST_F(AccessLogTest, NeverGathersMuchMoreThanABatch) {
  AccessLog log(logger);
  const AccessRecord record = cut_exchange();
  for (int i = 0; i < 1000; ++i) log.write(record);
  ASSERT_FALSE(messages().empty());
  for (const std::string& message : messages()) {
    EXPECT_GE(message.size(), 64U * 1024);
    EXPECT_LT(message.size(), 65U * 1024);
  }
}

TEST_F(AccessLogTest, FlushesWhenDestroyed) {
  {
    AccessLog(logger).write(cut_exchange());
  }
  EXPECT_EQ(messages().size(), 1U);
}

TEST_F(AccessLogTest, WithoutALoggerDoesNothing) {
  AccessLog log(nullptr);
  log.write(cut_exchange());
  log.flush();
}

}  // namespace
}  // namespace hangup::observe
