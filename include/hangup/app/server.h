// The whole proxy, put together from a configuration: listeners, workers, cleanups, logs.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/base/error.h>
#include <hangup/config/config.h>

namespace hangup::app {

class InheritedSockets;

// Threading: made, started, stopped and destroyed by one thread; it runs the workers on threads of its own.
class Server {
 public:
  // `inherited`: for listeners at `fd:NAME`; null where there are none.
  explicit Server(std::shared_ptr<const config::Config> config,
                  std::shared_ptr<const InheritedSockets> inherited = nullptr);
  ~Server();  // stops at once if it still runs

  // `ask` is called once, on another thread, when somebody at the admin listener wants hangup to drain: it
  // should lead to drain(). Before start().
  void on_drain_asked(std::function<void()> ask);
  // Opens logs and sockets and starts the workers. The error names the file or address and what to do.
  Result<void> start();
  // Where it listens, in the order of the configuration, with the real port where the file says port 0.
  std::vector<SocketAddress> addresses() const;
  // Reads the configuration's file again, with all files that it names: for new requests, while exchanges in
  // flight keep what they began with. When anything is wrong with them, all stays as it was, and what it is,
  // is logged: false. What needs a restart is logged.
  bool reload();
  // Opens the files of both logs again, under their names, once rotation has renamed them. What can't be
  // opened is logged, and the logs go on as before.
  void reopen_logs();
  // Whether the loop of each worker has turned since this was asked the last time. Any thread, one at a time.
  bool workers_turn();
  // Stops accepting, closes idle connections, lets exchanges finish for up to shutdown.drain, ends the rest
  // with outcome shutdown, then delivers what cleanups are still owed for up to 5 s. Returns when all of that
  // is done, or soon after `hurry` returned true, which is asked about every 50 ms.
  void drain(const std::function<bool()>& hurry);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::app
