// The whole proxy, put together from a configuration: listeners, workers, cleanups, logs.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/base/error.h>
#include <hangup/config/config.h>

namespace hangup::app {

// Threading: made, started, stopped and destroyed by one thread; it runs the workers on threads of its own.
class Server {
 public:
  explicit Server(std::shared_ptr<const config::Config> config);
  ~Server();  // stops at once if it still runs

  // `ask` is called once, on another thread, when somebody at the admin listener wants hangup to drain: it
  // should lead to drain(). Before start().
  void on_drain_asked(std::function<void()> ask);
  // Opens logs and sockets and starts the workers. The error names the file or address and what to do.
  Result<void> start();
  // Where it listens, in the order of the configuration, with the real port where the file says port 0.
  std::vector<SocketAddress> addresses() const;
  // Reads again what can change while it runs: the files that hold certificates, keys and tokens. Exchanges
  // in flight keep what they had. What is wrong with a file is logged, and what it held before stays.
  void reload();
  // Opens the files of both logs again, under their names, once rotation has renamed them. What can't be
  // opened is logged, and the old file stays.
  void reopen_logs();
  // Stops accepting, closes idle connections, lets exchanges finish for up to shutdown.drain, ends the rest
  // with outcome shutdown, then delivers what cleanups are still owed for up to 5 s. Returns when all of that
  // is done, or soon after `hurry` returned true, which is asked about every 50 ms.
  void drain(const std::function<bool()>& hurry);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::app
