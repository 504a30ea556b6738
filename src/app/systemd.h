// What passes between hangup and systemd, or whoever speaks its protocol: listening sockets that are handed
// over, and word of how the process fares (sd_listen_fds(3), sd_notify(3)). Without a manager nothing
// happens.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/config/config.h>
#include <hangup/net/fd.h>

namespace hangup::app {

// The sockets that this process was started with, by name, for listeners at `fd:NAME`. They stay open: what
// is not accepted from them now is for whoever has them next. Immutable; any thread.
class InheritedSockets {
 public:
  // Takes them from the environment. Once, before other threads.
  static InheritedSockets take();

  // Listeners for which there is no socket, or one that does not listen.
  std::vector<config::Problem> problems(const config::Config& config) const;
  // For one that problems() has nothing to say about.
  Result<net::Fd> copy(const std::string& name) const;

 private:
  std::multimap<std::string, net::Fd> sockets_;
};

namespace manager {

void ready(const std::string& status);
void reloading();
void stopping();

}  // namespace manager

// Pings the manager's watchdog, if it has one, for as long as `turns` says that all is well. `turns` is
// called on a thread of its own, four times in the time that the watchdog gives.
class Watchdog {
 public:
  explicit Watchdog(std::function<bool()> turns);
  ~Watchdog();

 private:
  void run(std::stop_token stop, Duration interval) const;

  const std::function<bool()> turns_;
  std::jthread thread_;  // ends before what it uses
};

}  // namespace hangup::app
