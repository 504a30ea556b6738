// A stand-in for systemd: holds a listening socket that it hands to the processes that it starts, and hears
// what they say of themselves.
#pragma once

#include "support/process.h"
#include "support/socket.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hangup::test {

// Not thread-safe.
class Manager {
 public:
  // With `watchdog`, processes are told to ping that often.
  explicit Manager(std::optional<std::chrono::microseconds> watchdog = {});

  // The command as this manager's service, with these sockets, if any, by name. It runs the command behind
  // it.
  std::vector<std::string> service(const std::vector<std::pair<std::string, int>>& sockets = {}) const;
  // The next message from any of them, "READY=1\nSTATUS=..."; throws TimedOut.
  std::string next(std::chrono::milliseconds bound = patience) const;
  // Skips messages up to the one with this line.
  std::string wait_for(const std::string& line) const;
  // Within that time none comes.
  bool silent_for(std::chrono::milliseconds time) const;

 private:
  std::optional<std::string> receive(std::chrono::milliseconds bound) const;

  TempDir dir_;
  Fd socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace hangup::test
