// Being asked to end: SIGTERM and SIGINT, waited for instead of handled.
#pragma once

#include <csignal>

namespace hangup::app::commands {

// Made before any other thread, so that all threads inherit the blocked signals and none of them is
// interrupted. Also ignores SIGPIPE and SIGXFSZ: a write to a peer that is gone, or beyond a limit of files,
// is an error to handle where it happens.
class Termination {
 public:
  Termination();
  // Returns when the process is asked to end.
  void wait() const;
  // Whether it has been asked (again) since the last time wait() or asked() said so. Never waits.
  bool asked() const;

 private:
  sigset_t signals_;
};

}  // namespace hangup::app::commands
