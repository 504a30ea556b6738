// What the process is asked to do by signals, waited for instead of handled: SIGTERM and SIGINT to end,
// SIGHUP to reload, SIGUSR1 to open log files again; and by other threads.
#pragma once

#include <csignal>
#include <cstdint>

#include <hangup/net/fd.h>

namespace hangup::app::commands {

// Made before any other thread, so that all threads inherit the blocked signals and none of them is
// interrupted. Also ignores SIGPIPE and SIGXFSZ: a write to a peer that is gone, or beyond a limit of files,
// is an error to handle where it happens.
class Signals {
 public:
  enum class Request : std::uint8_t { end, reload, reopen_logs, drain };

  Signals();  // aborts when the kernel gives no descriptor
  // Returns when the process is asked for something.
  Request wait() const;
  // Whether it has been asked by a signal to end (again) since the last time wait() or end_asked() said so.
  // Never waits.
  bool end_asked() const;
  // wait() returns `drain`, soon. Any thread.
  void ask_to_drain() const;

 private:
  sigset_t end_;
  sigset_t all_;
  net::Fd signals_;
  net::Fd asked_;  // to drain
};

}  // namespace hangup::app::commands
