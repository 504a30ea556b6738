// A server on loopback with a thread per connection: slow, plain, and enough for a demo.
#pragma once

#include "app/demo/peer.h"

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <thread>

#include <hangup/base/address.h>
#include <hangup/base/error.h>
#include <hangup/net/fd.h>

namespace hangup::app::demo {

class ThreadServer {
 public:
  // Serves one connection, on a thread of its own; returns when done with it, and soon once the peer says
  // `stopped`.
  using Handler = std::function<void(Peer&)>;

  // Listens on a free port of 127.0.0.1. The handler and what it uses outlive the server.
  static Result<std::unique_ptr<ThreadServer>> start(Handler handler);
  // Stops, and waits for its threads.
  ~ThreadServer();

  const SocketAddress& address() const { return address_; }

 private:
  struct Connection {
    std::unique_ptr<std::atomic<bool>> done;
    std::jthread thread;
  };

  ThreadServer(net::Fd listener, SocketAddress address, Handler handler);
  void accept_connections();

  net::Fd listener_;
  SocketAddress address_;
  Handler handler_;
  StopSign stop_;
  std::list<Connection> connections_;  // touched by the accepting thread only
  std::jthread acceptor_;
};

}  // namespace hangup::app::demo
