#include "app/commands/termination.h"

#include <pthread.h>

#include <ctime>

namespace hangup::app::commands {

Termination::Termination() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

void Termination::wait() const {
  while (sigwaitinfo(&signals_, nullptr) < 0) {
    // Only EINTR is possible: a debugger, or a signal of another kind.
  }
}

bool Termination::asked() const {
  const timespec at_once{};
  return sigtimedwait(&signals_, nullptr, &at_once) > 0;
}

}  // namespace hangup::app::commands
