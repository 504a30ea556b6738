// Looks one server's name up again and again, and has the upstream use what is found. While it can't be
// looked up, what was found last stays in use.
//
// Threading: belongs to the scheduler's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <hangup/base/clock.h>
#include <hangup/base/scheduler.h>
#include <hangup/net/resolver.h>

namespace spdlog {
class logger;
}

namespace hangup::upstream {

class SharedUpstream;

class NameWatch {
 public:
  // As net::Resolver::resolve().
  using LookUp = std::function<std::unique_ptr<net::Resolver::Lookup>(
      const std::string& host, std::uint16_t port, net::Resolver::Done done)>;
  // As long as no address is known, or this instead of a shorter `resolve`.
  static constexpr Duration impatient = std::chrono::seconds(1);

  // REQUIRES: the server has a name, and `resolve` is not off. `random` is from 0 to 1. `on_first` is called
  // once, when the first answer has come, whatever it is.
  NameWatch(Scheduler& scheduler, SharedUpstream& upstream, std::size_t server, LookUp look_up,
            std::function<double()> random, spdlog::logger& log, std::function<void()> on_first);

  void start() { ask(); }

 private:
  void ask();
  void answered(net::Resolver::Addresses found);
  void found(std::vector<SocketAddress> addresses);

  Scheduler& scheduler_;
  SharedUpstream& upstream_;
  const std::size_t server_;
  LookUp look_up_;
  std::function<double()> random_;
  spdlog::logger& log_;
  std::function<void()> on_first_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<net::Resolver::Lookup> lookup_;
  bool failing_ = false;
};

}  // namespace hangup::upstream
