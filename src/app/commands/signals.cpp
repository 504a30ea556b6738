#include "app/commands/signals.h"

#include <pthread.h>

#include <ctime>

namespace hangup::app::commands {

Signals::Signals() {
  sigemptyset(&end_);
  sigaddset(&end_, SIGTERM);
  sigaddset(&end_, SIGINT);
  all_ = end_;
  sigaddset(&all_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &all_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

Signals::Request Signals::wait() const {
  while (true) {
    const int number = sigwaitinfo(&all_, nullptr);
    if (number == SIGHUP) return Request::reload;
    if (number > 0) return Request::end;
    // Only EINTR is possible: a debugger, or a signal of another kind.
  }
}

bool Signals::end_asked() const {
  const timespec at_once{};
  return sigtimedwait(&end_, nullptr, &at_once) > 0;
}

}  // namespace hangup::app::commands
