#include "app/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace hangup::app {

InheritedSockets InheritedSockets::take() {
  InheritedSockets taken;
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    taken.sockets_.emplace(names[i], SD_LISTEN_FDS_START + i);
    std::free(names[i]);  // NOLINT: the library's contract
  }
  std::free(names);  // NOLINT
  return taken;
}

std::vector<config::Problem> InheritedSockets::problems(const config::Config& config) const {
  std::vector<config::Problem> problems;
  const auto wrong = [&](const config::Listener& listener, const std::string& what) {
    problems.push_back({listener.position, "`address`: " + what});
  };
  for (const config::Listener& listener : config.listeners) {
    const std::string& name = listener.inherited;
    if (name.empty()) continue;
    const auto [first, last] = sockets_.equal_range(name);
    if (first == last) {
      std::string known;
      for (const auto& [other, socket] : sockets_) known += (known.empty() ? "" : ", ") + other;
      wrong(listener,
            "no socket named `" + name + "` was passed to this process, " +
                (known.empty() ? "nor any other; start it by a socket unit with FileDescriptorName=" + name
                               : "only: " + known));
    } else if (std::next(first) != last) {
      wrong(listener, "several sockets named `" + name +
                          "` were passed: give each socket unit a FileDescriptorName= of its own, and a "
                          "listener");
    } else if (sd_is_socket(first->second.get(), AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
      wrong(listener,
            "the descriptor named `" + name +
                "` is no listening stream socket: its socket unit needs ListenStream= and Accept=no");
    }
  }
  return problems;
}

Result<net::Fd> InheritedSockets::copy(const std::string& name) const {
  const auto found = sockets_.find(name);
  if (found == sockets_.end()) return std::unexpected(Error{"no socket named `" + name + "` was passed"});
  net::Fd socket(::fcntl(found->second.get(), F_DUPFD_CLOEXEC, 0));
  if (!socket)
    return std::unexpected(Error{std::string("cannot copy a descriptor: ") + std::strerror(errno)});
  return socket;
}

namespace manager {

void ready(const std::string& status) {
  sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto micros = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  const std::string said =
      "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros) + "\nSTATUS=reading the configuration";
  sd_notify(0, said.c_str());
}

void stopping() {
  sd_notify(0, "STOPPING=1\nSTATUS=draining");
}

}  // namespace manager

Watchdog::Watchdog(std::function<bool()> turns) : turns_(std::move(turns)) {
  std::uint64_t micros = 0;
  if (sd_watchdog_enabled(0, &micros) <= 0) return;
  const auto interval = std::chrono::microseconds(micros / 4);
  thread_ = std::jthread([this, interval](const std::stop_token& stop) { run(stop, interval); });
}

Watchdog::~Watchdog() = default;

void Watchdog::run(std::stop_token stop, Duration interval) const {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    if (turns_()) sd_notify(0, "WATCHDOG=1");
    never.wait_for(lock, stop, interval, [] { return false; });
  }
}

}  // namespace hangup::app
