// Where the access log goes, and how.
#include "e2e/admin_fixture.h"
#include "e2e/load.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>

namespace hangup::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class Logs : public AdminTest {
 protected:
  std::string file(const std::string& name) const { return (dir_ / name).string(); }
  static std::vector<std::string> lines(const std::string& path) { return LineTail(path).lines(); }
  // `log` is the inside of access_log.
  std::string with_log(const std::string& log, const Yaml& yaml = {}) const {
    return configuration(yaml) + "admin: {address: \"127.0.0.1:0\"}\naccess_log: {" + log + "}\n";
  }
  void start_with_log(const std::string& log, const Yaml& yaml = {}) {
    hangup = std::make_unique<Hangup>(with_log(log, yaml));
  }
  void ask_quickly(int times) const {
    Client client = connect();
    for (int i = 0; i < times; ++i) ASSERT_EQ(client.exchange(get("/quick")).status, 200);
  }
  void wait_for_log_of_people(const std::string& text) const {
    eventually(text, [&] { return hangup->log().contains(text); });
  }
  double metric(const std::string& name) const {
    const std::string metrics = page("/metrics").body;
    const std::string line = "\n" + name + " ";
    return std::stod(metrics.substr(metrics.find(line) + line.size()));
  }
  double dropped() const { return metric("hangup_access_log_dropped_total"); }
  // A client may have its answer before the line of it is written.
  void wait_for_lines() const {
    eventually("all exchanges have ended", [&] { return metric("hangup_exchanges_in_flight") == 0; });
  }

 private:
  TempDir dir_;
};

// ---- Formats

TEST_F(Logs, InTheCombinedFormatHaveALineForEachExchangeAndNothingElse) {
  start_with_log(fmt::format("path: \"{}\", format: combined", file("access.log")));
  EXPECT_EQ(connect().exchange(get("/quick?secret=1", {{"User-Agent", "try \"1\""}})).status, 200);
  leave(1);
  hangup->stop();
  ASSERT_EQ(receiver.calls().size(), 1U);
  const std::string begin = R"(127\.0\.0\.1 - - \[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}(:[0-9]{2}){3} \+0000\] )";
  EXPECT_THAT(
      lines(file("access.log")),
      UnorderedElementsAre(MatchesRegex(begin + R"("GET /quick HTTP/1\.1" 200 5 "-" "try \\x221\\x22" )"
                                                R"(outcome=completed request_id=[0-9a-f-]{36})"),
                           MatchesRegex(begin + R"("GET /work HTTP/1\.1" 499 0 "-" "-" )"
                                                R"(outcome=client_gone request_id=[0-9a-f-]{36})")));
}

TEST_F(Logs, AreWrittenAsATemplateSays) {
  start_with_log(fmt::format(
      R"(path: "{}", format: '{{request.method}} {{request.path}} {{status}} {{phase}} "{{cleanup}}" {{request.header.x-a|none}}')",
      file("access.log")));
  EXPECT_EQ(connect().exchange(get("/quick", {{"X-A", "b c"}})).status, 200);
  leave(1);
  hangup->stop();
  ASSERT_EQ(receiver.calls().size(), 1U);
  EXPECT_THAT(lines(file("access.log")),
              UnorderedElementsAre(
                  "GET /quick 200 streaming_response \"-\" b\\x20c",
                  "GET /work 499 awaiting_response \"" + receiver.calls()[0].webhook_id() + "\" none"));
}

TEST_F(Logs, BySampleLeaveOutCompletedExchangesOnly) {
  start_with_log(fmt::format("path: \"{}\", format: '{{outcome}}', sample: 0", file("access.log")),
                 {.match = "path: \"/{what}\""});
  ask_quickly(20);
  leave(1);
  EXPECT_EQ(connect().exchange(get("/no/route")).status, 404);
  hangup->stop();
  EXPECT_THAT(lines(file("access.log")), UnorderedElementsAre("client_gone", "rejected"));
}

TEST_F(Logs, BySampleHaveAboutThatShareOfThoseThatCompleted) {
  start_with_log(fmt::format("path: \"{}\", sample: 0.5", file("access.log")));
  ask_quickly(400);
  hangup->stop();
  const std::size_t logged = lines(file("access.log")).size();
  EXPECT_GT(logged, 120U);
  EXPECT_LT(logged, 280U);
}

// ---- Reload

TEST_F(Logs, ChangePathAndFormatByAReload) {
  start_with_log(fmt::format("path: \"{}\"", file("one")));
  ask_quickly(3);
  eventually("the lines", [&] { return lines(file("one")).size() == 3; });
  ASSERT_TRUE(hangup->reload(with_log(fmt::format("path: \"{}\", format: '{{status}}'", file("two")))));
  ask_quickly(2);
  leave(1);
  eventually("the lines", [&] { return lines(file("two")).size() == 3; });
  wait_for("hangup_cleanups_delivered_total{cleanup=\"stop\"}", 1);  // a line of it would be one of three's
  ASSERT_TRUE(hangup->reload(with_log(fmt::format("path: \"{}\"", file("three")))));
  ask_quickly(1);
  leave(2);
  hangup->stop();
  EXPECT_EQ(lines(file("one")).size(), 3U);
  EXPECT_THAT(lines(file("two")), UnorderedElementsAre("200", "200", "499"));
  std::multiset<std::string> types;
  for (const std::string& line : lines(file("three"))) types.insert(Json::parse(line).at("type"));
  EXPECT_THAT(types, ElementsAre("cleanup", "exchange", "exchange"));
}

TEST_F(Logs, AreSwitchedOffAndOnByAReload) {
  const std::string on =
      with_log(fmt::format("path: \"{}\", format: '{{request.path}}'", file("access.log")));
  const std::string off = configuration() + "admin: {address: \"127.0.0.1:0\"}\naccess_log: off\n";
  hangup = std::make_unique<Hangup>(off);
  ask_quickly(1);
  wait_for_lines();
  EXPECT_FALSE(std::filesystem::exists(file("access.log")));
  ASSERT_TRUE(hangup->reload(on));
  ask_quickly(2);
  wait_for_lines();
  ASSERT_TRUE(hangup->reload(off));
  ask_quickly(1);
  hangup->stop();
  EXPECT_THAT(lines(file("access.log")), ElementsAre("/quick", "/quick"));
}

TEST_F(Logs, GoOnAsTheyAreWhenAReloadNamesAFileThatCannotBeOpened) {
  start_with_log(fmt::format("path: \"{}\"", file("access.log")));
  EXPECT_FALSE(hangup->reload(
      with_log(fmt::format("path: \"{}\", format: '{{status}}'", file("missing/access.log")))));
  EXPECT_THAT(hangup->log(), HasSubstr("access_log: can't open " + file("missing/access.log") +
                                       " for appending: No such file or directory"));
  ask_quickly(1);
  hangup->stop();
  ASSERT_EQ(lines(file("access.log")).size(), 1U);
  EXPECT_THAT(lines(file("access.log"))[0], StartsWith("{"));
}

// ---- Rotation

TEST_F(Logs, ThatAreRotatedUnderLoadLoseAndDoubleNoLine) {
  start_with_log(fmt::format("path: \"{}\", format: '{{request.id}}'", file("access.log")));
  Load load(hangup->where(), 3, 1, [](const Response& response) { return response.status == 200; });
  constexpr int rotations = 10;
  for (int i = 0; i < rotations; ++i) {
    load.go_on_for(100);
    std::filesystem::rename(file("access.log"), file(std::to_string(i)));
    load.go_on_for(100);
    hangup->signal(SIGUSR1);
    eventually("a new file", [&] { return std::filesystem::exists(file("access.log")); });
  }
  load.go_on_for(100);
  EXPECT_EQ(load.stop(), "");
  hangup->stop();
  std::filesystem::rename(file("access.log"), file(std::to_string(rotations)));
  std::set<std::string> ids;
  std::size_t count = 0;
  for (int i = 0; i <= rotations; ++i) {
    for (const std::string& line : lines(file(std::to_string(i)))) {
      EXPECT_EQ(line.size(), 36U) << line;
      ids.insert(line);
      ++count;
    }
  }
  EXPECT_EQ(count, load.answered());
  EXPECT_EQ(ids.size(), count);
  EXPECT_THAT(hangup->log(), HasSubstr("reopened the logs access_log=" + file("access.log")));
}

TEST_F(Logs, LetGoOfARotatedFileEvenIfNothingMoreIsLogged) {
  start_with_log(fmt::format("path: \"{}\"", file("access.log")));
  std::filesystem::rename(file("access.log"), file("rotated"));
  hangup->signal(SIGUSR1);
  const std::filesystem::path descriptors = fmt::format("/proc/{}/fd", hangup->pid());
  eventually("the old file to be closed", [&] {
    bool there = false;
    for (const auto& each : std::filesystem::directory_iterator(descriptors)) {
      std::error_code gone;
      there = there || std::filesystem::read_symlink(each.path(), gone) == file("rotated");
    }
    return !there && std::filesystem::exists(file("access.log"));
  });
}

TEST_F(Logs, ThatCannotBeReopenedGoOnInTheOldFile) {
  start_with_log(fmt::format("path: \"{}\"", file("access.log")));
  ask_quickly(1);
  std::filesystem::rename(file("access.log"), file("kept"));
  std::filesystem::create_directory(file("access.log"));
  hangup->signal(SIGUSR1);
  wait_for_log_of_people("cannot reopen the logs, which go on as before: access_log: can't open " +
                         file("access.log") + " for appending: Is a directory");
  ask_quickly(1);
  hangup->stop();
  EXPECT_EQ(lines(file("kept")).size(), 2U);
}

// ---- What takes lines slowly, or not at all

TEST_F(Logs, ThatNobodyReadsHoldUpNothingAndSayWhatIsDropped) {
  ASSERT_EQ(::mkfifo(file("pipe").c_str(), 0600), 0);
  start_with_log(fmt::format("path: \"{}\", format: '{{request.header.x-long}}'", file("pipe")),
                 {.listener = "limits: {header_bytes: 128KiB}", .match = "path: \"/quick\""});
  // So long that each line is handed over by itself; more of them than may wait.
  const std::string head = get("/none", {{"X-Long", std::string(70'000, 'x')}});
  Client client = connect();
  for (int i = 0; i < 1100; ++i) ASSERT_EQ(client.exchange(head).status, 404);
  ask_quickly(100);
  eventually("drops", [&] { return dropped() > 0; });
  wait_for_log_of_people(" lines of the access log were dropped: what it goes to takes them too slowly");
  hangup->stop();
  EXPECT_THAT(hangup->log(), HasSubstr("lines of the access log that were still to be written are lost"));
}

TEST_F(Logs, WaitInAPipeForItsReader) {
  ASSERT_EQ(::mkfifo(file("pipe").c_str(), 0600), 0);
  start_with_log(fmt::format("path: \"{}\", format: '{{status}}'", file("pipe")));
  ask_quickly(3);
  const Fd reader(::open(file("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader);
  std::string all;
  eventually("the lines", [&] {
    std::array<char, 100> buffer{};
    if (const ssize_t size = ::read(reader.get(), buffer.data(), buffer.size()); size > 0)
      all.append(buffer.data(), static_cast<std::size_t>(size));
    return all == "200\n200\n200\n";
  });
}

TEST_F(Logs, OnAFullDiskSayWhyLinesAreDropped) {
  start_with_log("path: /dev/full");
  ask_quickly(3);
  eventually("drops", [&] { return dropped() == 3; });
  ask_quickly(1);
  wait_for_log_of_people("of the access log were dropped: can't write to /dev/full: No space left on device");
}

// ---- Syslog

// A /dev of its own for hangup, with nothing in it but the socket `log`.
TEST_F(Logs, GoToSyslogLineByLine) {
  const TempDir dev;
  const std::string mount = "mount --bind \"" + dev.path().string() + "\" /dev && exec \"$@\"";
  if (run({"unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh", "true"}).exit.status != 0)
    GTEST_SKIP() << "making a mount namespace is not permitted here";
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, (dev / "log").c_str(), sizeof name.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);

  hangup = std::make_unique<Hangup>(
      with_log("path: syslog, format: '{request.path} {status}'"), 1,
      std::vector<std::string>{"unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh"});
  ask_quickly(2);
  leave(1);
  hangup->stop();
  std::vector<std::string> messages;
  std::array<char, 4096> buffer{};
  for (ssize_t size = 0; (size = ::recv(socket.get(), buffer.data(), buffer.size(), 0)) > 0;)
    messages.emplace_back(buffer.data(), static_cast<std::size_t>(size));
  // Facility daemon, level info.
  const std::string begin = fmt::format("<30>[A-Z][a-z]+ +[0-9]+ [0-9:]+ hangup\\[{}\\]: ", hangup->pid());
  EXPECT_THAT(messages,
              UnorderedElementsAre(MatchesRegex(begin + "/quick 200"), MatchesRegex(begin + "/quick 200"),
                                   MatchesRegex(begin + "/work 499")));
}

// ---- Traces

const std::string client_trace = "0af7651916cd43dd8448eb211c80319c";
const std::string client_parent = "00-" + client_trace + "-b7ad6b7169203331-01";

class Traces : public AdminTest {
 protected:
  // What the server was told, of a client that leaves; its line and its cleanup have the same.
  RequestRecord leave_with(const FieldList& fields) {
    Client client = connect();
    client.send(get("/work", fields));
    RequestRecord request = upstream.wait_for_request("/work");
    client.close();
    exchange = only_exchange();
    called = only_call(exchange).message.header("traceparent");
    return request;
  }
  void expect_started(const FieldList& fields) {
    const RequestRecord request = leave_with(fields);
    const std::string parent(request.message.header("traceparent").value_or("none"));
    EXPECT_THAT(parent, MatchesRegex("00-[0-9a-f]{32}-[0-9a-f]{16}-01"));
    EXPECT_NE(parent.substr(3, 32), client_trace);
    EXPECT_EQ(request.message.header("tracestate"), std::nullopt);
    EXPECT_EQ(exchange.at("trace_id"), parent.substr(3, 32));
    EXPECT_EQ(called, parent);
  }

  Json exchange;
  std::optional<std::string> called;
};

TEST_F(Traces, OfClientsGoOnAtServersAndCleanupsAndInTheLog) {
  start();
  const RequestRecord request = leave_with({{"traceparent", client_parent}, {"tracestate", "a=b"}});
  const std::string parent(request.message.header("traceparent").value_or(""));
  EXPECT_EQ(parent.substr(0, 36), client_parent.substr(0, 36));
  EXPECT_NE(parent.substr(36, 16), client_parent.substr(36, 16));
  EXPECT_EQ(request.message.header("tracestate").value_or(""), "a=b");
  EXPECT_EQ(exchange.at("trace_id"), client_trace);
  EXPECT_EQ(called, parent);
}

TEST_F(Traces, BeginWhereTheClientHasNone) {
  start();
  expect_started({});
}

TEST_F(Traces, BeginAnewWhereTheClientsIsMalformed) {
  start();
  expect_started({{"traceparent", client_parent + "x"}, {"tracestate", "a=b"}});
}

TEST_F(Traces, BeginWithEachRequestWhereTheListenerSaysSo) {
  start({.listener = "trace: start"});
  expect_started({{"traceparent", client_parent}, {"tracestate", "a=b"}});
}

TEST_F(Traces, AreHeadersAsAnyOtherWhereTheyAreOff) {
  start({.listener = "trace: off"});
  const RequestRecord request = leave_with({{"traceparent", "whatever"}});
  EXPECT_EQ(request.message.header("traceparent").value_or(""), "whatever");
  EXPECT_TRUE(exchange.at("trace_id").is_null());
  EXPECT_EQ(called, std::nullopt);
}

TEST_F(Traces, ChangeByAReload) {
  start({.listener = "trace: off"});
  ASSERT_TRUE(hangup->reload(configuration({.listener = "trace: start"})));
  expect_started({{"traceparent", client_parent}});
}

}  // namespace
}  // namespace hangup::test
