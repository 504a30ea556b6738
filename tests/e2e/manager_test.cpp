// Under a service manager: what it is told, and the sockets that it hands over.
#include "support/manager.h"

#include "e2e/fixture.h"
#include "e2e/load.h"

#include <gmock/gmock.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <charconv>
#include <csignal>
#include <filesystem>

namespace hangup::test {
namespace {

using ::testing::HasSubstr;

class Managed : public EndToEnd {
 protected:
  std::string at_fd(const Yaml& yaml = {}) const {
    Yaml with = yaml;
    with.address = "fd:http";
    return configuration(with);
  }
  const Fd socket = listen_on(address("127.0.0.1:0"), 1024);
};

// The number of one of its threads that carry requests.
pid_t worker_of(pid_t process) {
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    if (read_file(entry.path() / "comm") != "hangup-worker\n") continue;
    const std::string name = entry.path().filename().string();
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    return thread;
  }
  throw std::runtime_error("no worker");
}

TEST_F(Managed, IsToldOfTheStartOfReloadsAndOfTheEnd) {
  const Manager manager;
  hangup = std::make_unique<Hangup>(configuration(), 1, manager.service());
  EXPECT_EQ(manager.next(), "READY=1\nSTATUS=proxying");
  EXPECT_EQ(connect().exchange(get("/a")).status, 200) << "it listens by then";
  ASSERT_TRUE(hangup->reload());
  EXPECT_THAT(manager.next(), HasSubstr("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_EQ(manager.next(), "READY=1\nSTATUS=proxying");
  EXPECT_FALSE(hangup->reload("nonsense: 1"));
  EXPECT_THAT(manager.next(), HasSubstr("RELOADING=1"));
  EXPECT_EQ(manager.next(), "READY=1\nSTATUS=proxying; the last reload failed, see the log");
  hangup->stop();
  EXPECT_THAT(manager.next(), HasSubstr("STOPPING=1"));
}

TEST_F(Managed, PingsTheWatchdogUntilAWorkerIsStuck) {
  const auto watchdog = std::chrono::milliseconds(sanitized ? 2000 : 400);
  const Manager manager(watchdog);
  hangup = std::make_unique<Hangup>(configuration(), 1, manager.service());
  manager.wait_for("READY=1");
  for (int i = 0; i < 8; ++i) manager.wait_for("WATCHDOG=1");
  const pid_t worker = worker_of(hangup->pid());
  if (::ptrace(PTRACE_SEIZE, worker, 0, 0) != 0) GTEST_SKIP() << "may not stop a thread of another process";
  ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, worker, 0, 0), 0);
  ASSERT_EQ(::waitpid(worker, nullptr, __WALL), worker);
  eventually("the pings to end", [&] { return manager.silent_for(watchdog); });
  ASSERT_EQ(::ptrace(PTRACE_DETACH, worker, 0, 0), 0);
  manager.wait_for("WATCHDOG=1");
}

TEST_F(Managed, TakesTheSocketsThatItIsStartedWith) {
  const Manager manager;
  hangup = std::make_unique<Hangup>(at_fd(), 1, manager.service({{"http", socket.get()}}));
  EXPECT_EQ(hangup->where(), local_address(socket));
  EXPECT_EQ(connect().exchange(get("/a")).status, 200);
  ASSERT_TRUE(hangup->reload());
  EXPECT_EQ(connect().exchange(get("/b")).status, 200);
}

TEST_F(Managed, SaysWhichSocketIsMissingOrDoesNotListen) {
  const Manager manager;
  const auto refused = [&](const std::vector<std::pair<std::string, int>>& sockets) {
    const TempDir dir;
    write_file(dir / "hangup.yaml", at_fd());
    std::vector<std::string> argv = manager.service(sockets);
    argv.insert(argv.end(), {binary(), "run", "-c", (dir / "hangup.yaml").string()});
    const Finished finished = run(argv);
    EXPECT_EQ(finished.exit.status, 1);
    EXPECT_THAT(finished.err, HasSubstr("hangup.yaml:3:29: `address`: "));
    return finished.err;
  };
  EXPECT_THAT(refused({}), HasSubstr("no socket named `http` was passed to this process, nor any other"));
  EXPECT_THAT(refused({{"https", socket.get()}}),
              HasSubstr("no socket named `http` was passed to this process, only: https"));
  EXPECT_THAT(refused({{"http", socket.get()}, {"http", socket.get()}}),
              HasSubstr("several sockets named `http`"));
  const Fd connected = connect_to(local_address(socket));
  EXPECT_THAT(refused({{"http", connected.get()}}), HasSubstr("`http` is no listening stream socket"));
}

TEST_F(Managed, RestartsUnderLoadWithoutAFailedRequest) {
  const Manager manager;
  const auto begin = [&] {
    return std::make_unique<Hangup>(at_fd(), 1, manager.service({{"http", socket.get()}}));
  };
  hangup = begin();
  Load load(local_address(socket), 2, 4, [](const Response& response) { return response.status == 200; });
  for (int i = 0; i < 5; ++i) {
    load.go_on_for(100);
    hangup->stop();
    hangup = begin();
  }
  load.go_on_for(100);
  EXPECT_EQ(load.stop(), "");
}

}  // namespace
}  // namespace hangup::test
