// Blocking sockets that can be told to stop: what the demo's backend, receiver and clients are made of.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <hangup/base/address.h>
#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/http/message.h>
#include <hangup/net/fd.h>

namespace hangup::app::demo {

// Wakes everything that waits on it, for good. Thread-safe.
class StopSign {
 public:
  StopSign();
  void raise();
  int fd() const { return event_.get(); }

 private:
  net::Fd event_;
};

// One end of a connection. Every wait ends when the stop sign is raised.
class Peer {
 public:
  enum class Wait { ready, closed, timeout, stopped };

  // `stop` outlives the peer.
  Peer(net::Fd socket, const StopSign& stop) : socket_(std::move(socket)), stop_(&stop) {}
  static Result<Peer> connect(const SocketAddress& address, const StopSign& stop);

  bool send(std::string_view bytes);
  // Appends what has come to `received`. False when nothing more will.
  bool receive(std::string& received, Duration patience);
  // closed as soon as the other side has closed or reset, whatever bytes lie unread before that.
  Wait wait_for_close(Duration patience);
  void close() { socket_.reset(); }

  struct Request {
    http::RequestHead head;
    std::string body;
  };
  // The next request of the connection, whole; nullopt when there is none, or none that is valid.
  std::optional<Request> read_request();

 private:
  Wait wait(short events, Duration patience);

  net::Fd socket_;
  const StopSign* stop_;
  std::string unread_;  // bytes behind the last request
};

}  // namespace hangup::app::demo
