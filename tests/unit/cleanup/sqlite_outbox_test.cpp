#include "cleanup/sqlite_outbox.h"

#include "cleanup/journal.h"
#include "deliveries.h"
#include "faulty_vfs.h"
#include "scripted_receiver.h"
#include "support/capturing_sink.h"
#include "support/process.h"
#include "support/socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <hangup/cleanup/outbox_file.h>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;
using test::FaultyVfs, test::ScriptedReceiver;
using testing::AllOf, testing::Contains, testing::ElementsAre, testing::HasSubstr, testing::IsEmpty,
    testing::SizeIs;

// The whole outbox, with its threads, on a real file and against a real socket.
class SqliteOutboxTest : public testing::Test {
 protected:
  static constexpr auto patience = 30s;

  Result<std::vector<CrashedExchange>> open() {
    outbox.reset();
    auto opened = SqliteOutbox::open({.path = path}, config, access.logger, log.logger);
    if (!opened) return std::unexpected(opened.error());
    outbox = std::move(opened->outbox);
    return std::move(opened->crashed);
  }
  // Runs it in a process that is then killed.
  template <typename Work>
  void killed(Work work) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (!open()) ::_exit(1);
      work();
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }
  // Likewise, with the exchange "flying" of the first route in flight.
  void killed_in_flight() {
    struct Source final : config::VariableSource {
      std::optional<std::string_view> value(const config::VariableRef& ref, std::string&) const override {
        return ref.variable == config::Variable::request_id ? "flying" : "x";
      }
    };
    killed([&] {
      std::string snapshot;
      SnapshotPlan(config.routes[0]).append(snapshot, Source(), "flying", std::chrono::system_clock::now());
      const auto journal = outbox->make_journal();
      journal->enter(snapshot);
      ::kill(::getpid(), SIGKILL);
    });
  }
  static std::set<std::string> ids(ScriptedReceiver& receiver) {
    std::set<std::string> found;
    for (const auto& request : receiver.requests()) {
      const auto at = request.head.find("webhook-id: ") + 12;
      found.insert(request.head.substr(at, request.head.find('\r', at) - at));
    }
    return found;
  }
  static ScriptedReceiver::Script always(const std::string& status) {
    return [status](int, const ScriptedReceiver::Request&) { return ScriptedReceiver::respond(status); };
  }
  OutboxFile file() const { return std::move(OutboxFile::open(path).value()); }
  void wait_for_state(const std::string& id, DeliveryState state) {
    test::eventually(id + " to be " + std::string(to_string(state)), [&] {
      const auto shown = file().show(id);
      return shown && *shown && (*shown)->entry.state == state;
    });
  }
  void add_route(const std::string& name, const std::string& url) {
    auto cleanup = std::make_shared<config::Cleanup>();
    cleanup->name = "stop";
    cleanup->url = *config::Template::parse(url + "{request.header.x-job}");
    config::Route route;
    route.name = name;
    route.upstream = std::make_shared<config::Upstream>();
    route.on_disconnect.cleanups = {cleanup};
    config.routes.push_back(route);
  }

  test::TempDir dir;
  std::filesystem::path path = dir / "outbox.db";
  config::Config config;
  test::CapturingLogger access;
  test::CapturingLogger log;
  std::unique_ptr<SqliteOutbox> outbox;
};

TEST_F(SqliteOutboxTest, DeliversAndKeepsWhatBecameOfIt) {
  ScriptedReceiver receiver(always("200 OK"));
  ASSERT_TRUE(open());
  outbox->add({make_delivery("a", 0, receiver.url()), make_delivery("a", 1, receiver.url())});
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(outbox->counts().delivered, 2U);
  outbox.reset();
  const auto shown = file().show("a-1").value();
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->entry.state, DeliveryState::delivered);
  EXPECT_EQ(shown->entry.attempts, 1U);
  EXPECT_EQ(shown->entry.last_status, 200);
  EXPECT_EQ(shown->delivery.body, make_delivery("a").body);
}

TEST_F(SqliteOutboxTest, NothingIsSentBeforeItIsCommitted) {
  ScriptedReceiver receiver([this](int, const ScriptedReceiver::Request& request) {
    const auto at = request.head.find("webhook-id: ") + 12;
    const auto shown = file().show(request.head.substr(at, request.head.find('\r', at) - at));
    return ScriptedReceiver::respond(shown && *shown ? "200 OK" : "404 Not Found");
  });
  ASSERT_TRUE(open());
  for (int i = 0; i < 50; ++i) {
    Delivery delivery = make_delivery("r" + std::to_string(i), 0, receiver.url());
    delivery.ok_status.clear();
    outbox->add({delivery});
  }
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(outbox->counts().delivered, 50U);
}

TEST_F(SqliteOutboxTest, AKillRightAfterAddLosesNothing) {
  ScriptedReceiver receiver(always("200 OK"));
  std::set<std::string> owed;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 20; ++i) owed.insert("r" + std::to_string(round) + "." + std::to_string(i) + "-0");
    killed([&] {
      for (int i = 0; i < 20; ++i)
        outbox->add(
            {make_delivery("r" + std::to_string(round) + "." + std::to_string(i), 0, receiver.url())});
    });
  }
  ASSERT_TRUE(open());
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(ids(receiver), owed);
  outbox.reset();  // which writes what became of them
  EXPECT_EQ(file().stats({})->counts["stop-report"][DeliveryState::delivered], owed.size());
}

TEST_F(SqliteOutboxTest, ADownReceiversDeliveriesWaitForTheNextProcess) {
  std::optional<test::RefusingPort> nobody(std::in_place);
  Delivery delivery = make_delivery("a", 0, nobody->url() + "/");
  delivery.retry.max_attempts = 1'000'000;
  ASSERT_TRUE(open());
  outbox->add({delivery});
  EXPECT_FALSE(outbox->drain(50ms));
  outbox.reset();
  EXPECT_THAT(log.messages(), Contains(HasSubstr("1 cleanups are kept for the next start")));
  const std::uint16_t port = nobody->where().port();
  nobody.reset();
  ScriptedReceiver receiver(always("200 OK"), port);
  ASSERT_TRUE(open());
  EXPECT_EQ(outbox->counts().pending() + outbox->counts().delivered, 1U);
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_THAT(ids(receiver), ElementsAre("a-0"));
}

TEST_F(SqliteOutboxTest, AFullDiskStopsNoDelivery) {
  ScriptedReceiver receiver(always("200 OK"));
  FaultyVfs vfs;
  ASSERT_TRUE(open());
  vfs.fail(0, FaultyVfs::for_ever, SQLITE_FULL);
  for (int i = 0; i < 20; ++i) outbox->add({make_delivery("r" + std::to_string(i), 0, receiver.url())});
  test::eventually("the trouble", [&] { return !outbox->trouble().empty(); });
  EXPECT_THAT(outbox->trouble(), HasSubstr("database or disk is full"));
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_THAT(ids(receiver), SizeIs(20));
  vfs.heal();
  test::eventually("the trouble to end", [&] { return outbox->trouble().empty(); });
  outbox.reset();
}

TEST_F(SqliteOutboxTest, WhatIsDeliveredWithoutADiskIsNotCalledAgain) {
  ScriptedReceiver receiver(always("200 OK"));
  FaultyVfs vfs;
  ASSERT_TRUE(open());
  vfs.fail(0, FaultyVfs::for_ever, SQLITE_FULL);
  outbox->add({make_delivery("a", 0, receiver.url())});
  ASSERT_TRUE(outbox->drain(patience));
  outbox.reset();
  vfs.heal();
  ASSERT_TRUE(open());
  EXPECT_EQ(outbox->counts().added, 0U);
  outbox.reset();
  EXPECT_THAT(ids(receiver), ElementsAre("a-0"));
}

// As long as it lasts: what has been delivered takes no room of what has not.
TEST_F(SqliteOutboxTest, ItsSpoolDoesNotGrowByWhatIsDeliveredWithoutADisk) {
  ScriptedReceiver receiver(always("200 OK"));
  FaultyVfs vfs;
  ASSERT_TRUE(open());
  vfs.fail(0, FaultyVfs::for_ever, SQLITE_FULL);
  for (int i = 0; i < 20; ++i) {
    outbox->add({make_delivery("r" + std::to_string(i), 0, receiver.url())});
    ASSERT_TRUE(outbox->drain(patience));
  }
  test::eventually("an empty spool", [&] {
    std::uintmax_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(path.parent_path()))
      if (file.path().filename().string().contains("spool")) bytes += file.file_size();
    return bytes == 0;
  });
  vfs.heal();
  outbox.reset();
}

TEST_F(SqliteOutboxTest, AnOperatorRetriesAndDropsWhileItRuns) {
  std::atomic<bool> healthy = false;
  ScriptedReceiver receiver([&](int, const ScriptedReceiver::Request&) {
    return ScriptedReceiver::respond(healthy ? "200 OK" : "400 Bad Request");
  });
  const test::RefusingPort nobody;
  ASSERT_TRUE(open());
  Delivery stuck = make_delivery("stuck", 0, nobody.url() + "/");
  stuck.retry = {.max_attempts = 1000, .backoff_base = 1h, .backoff_max = 1h};
  outbox->add({make_delivery("dead", 0, receiver.url())});
  outbox->add({stuck});
  wait_for_state("dead-0", DeliveryState::dead);
  healthy = true;
  EXPECT_EQ(file().retry_all_dead(std::chrono::system_clock::now()).value(), 1U);
  wait_for_state("dead-0", DeliveryState::delivered);
  const std::vector<std::string> ids{"stuck-0"};
  EXPECT_EQ(file().drop(ids).value(), 1U);
  EXPECT_TRUE(outbox->drain(patience));
}

TEST_F(SqliteOutboxTest, ExchangesInFlightWhenItWasKilledAreCrashed) {
  ScriptedReceiver receiver(always("200 OK"));
  add_route("reports", receiver.url("/stop/"));
  struct Source final : config::VariableSource {
    std::optional<std::string_view> value(const config::VariableRef& ref, std::string&) const override {
      // The same for all: a trusted proxy may give it twice.
      if (ref.variable == config::Variable::request_id) return "of-the-proxy";
      return ref.variable == config::Variable::request_header ? "job-7" : "/reports";
    }
  };
  killed([&] {
    const SnapshotPlan plan(config.routes[0]);
    const auto journal = outbox->make_journal();
    for (const char* id : {"flying", "finishing", "known"}) {
      std::string snapshot;
      plan.append(snapshot, Source(), id, std::chrono::system_clock::now());
      const auto entry = journal->enter(snapshot);
      journal->set_phase(entry, Phase::awaiting_response);
      if (id == std::string("finishing")) journal->set_finishing(entry, true);
    }
    outbox->add({make_delivery("known", 0, receiver.url())});
    ::kill(::getpid(), SIGKILL);  // before the journal goes
  });
  const auto crashed = open();
  ASSERT_TRUE(crashed);
  ASSERT_THAT(*crashed, SizeIs(1));
  EXPECT_EQ(crashed->at(0).id, "flying");
  EXPECT_EQ(crashed->at(0).request_id, "of-the-proxy");
  EXPECT_EQ(crashed->at(0).phase, Phase::awaiting_response);
  EXPECT_EQ(crashed->at(0).path, "/reports");
  EXPECT_THAT(crashed->at(0).cleanup_ids, ElementsAre("flying-0"));
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(ids(receiver), (std::set<std::string>{"flying-0", "known-0"}));
  for (const auto& request : receiver.requests()) {
    if (request.head.contains("flying-0")) {
      EXPECT_THAT(request.body,
                  AllOf(HasSubstr("dev.hangup.exchange.crashed"), HasSubstr("awaiting_response")));
    }
  }
  EXPECT_THAT(read_left_journals(path), IsEmpty());
  EXPECT_THAT(open().value(), IsEmpty());
}

TEST_F(SqliteOutboxTest, ARouteThatIsGoneIsNamedWithItsExchange) {
  add_route("reports", "http://127.0.0.1:9/");
  killed_in_flight();
  config.routes.clear();
  const auto crashed = open();
  ASSERT_THAT(crashed.value(), SizeIs(1));
  EXPECT_EQ(crashed->at(0).cleanup_skipped, "its route is no longer configured");
  EXPECT_THAT(log.messages(),
              Contains(AllOf(HasSubstr("request_id=flying"), HasSubstr("no longer configured"))));
}

// Its name is its place, which is another's by now.
TEST_F(SqliteOutboxTest, ARouteWithoutANameIsFoundByWhatItTakes) {
  ScriptedReceiver receiver(always("200 OK"));
  ScriptedReceiver other(always("200 OK"));
  add_route("route-1", receiver.url("/stop/"));
  config.routes[0].match.path.text = "/reports";
  killed_in_flight();
  add_route("route-2", other.url("/stop/"));
  std::swap(config.routes[0], config.routes[1]);
  std::swap(config.routes[0].name, config.routes[1].name);
  ASSERT_THAT(open().value(), SizeIs(1));
  ASSERT_TRUE(outbox->drain(patience));
  EXPECT_EQ(ids(receiver), std::set<std::string>{"flying-0"});
  EXPECT_THAT(other.requests(), IsEmpty());
}

TEST_F(SqliteOutboxTest, ASecondOneOnTheSameFileDoesNotStart) {
  ASSERT_TRUE(open());
  const auto second = SqliteOutbox::open({.path = path}, config, access.logger, log.logger);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("held by process " + std::to_string(::getpid())));
}

}  // namespace
}  // namespace hangup::cleanup
