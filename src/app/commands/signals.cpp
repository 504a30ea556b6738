#include "app/commands/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>

namespace hangup::app::commands {

Signals::Signals() {
  sigemptyset(&end_);
  sigaddset(&end_, SIGTERM);
  sigaddset(&end_, SIGINT);
  all_ = end_;
  sigaddset(&all_, SIGHUP);
  sigaddset(&all_, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &all_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  signals_ = net::Fd(signalfd(-1, &all_, SFD_NONBLOCK | SFD_CLOEXEC));
  asked_ = net::Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!signals_ || !asked_) std::abort();
}

Signals::Request Signals::wait() const {
  std::array<pollfd, 2> sources = {{{signals_.get(), POLLIN, 0}, {asked_.get(), POLLIN, 0}}};
  while (true) {
    signalfd_siginfo signal{};
    if (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
      if (signal.ssi_signo == SIGUSR1) return Request::reopen_logs;
      return signal.ssi_signo == SIGHUP ? Request::reload : Request::end;
    }
    std::uint64_t times = 0;
    if (::read(asked_.get(), &times, sizeof times) == sizeof times) return Request::drain;
    ::poll(sources.data(), sources.size(), -1);
  }
}

bool Signals::end_asked() const {
  const timespec at_once{};
  return sigtimedwait(&end_, nullptr, &at_once) > 0;
}

void Signals::ask_to_drain() const {
  const std::uint64_t once = 1;
  [[maybe_unused]] const ssize_t written = ::write(asked_.get(), &once, sizeof once);
}

}  // namespace hangup::app::commands
