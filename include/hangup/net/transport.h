// A connected stream socket, watched by one edge-triggered event for its whole life: data, room, FIN and
// reset all arrive at once, whatever its owner is doing, and nothing ever has to be re-armed. The same class
// serves clients and servers.
//
// Its owner reads until would_block (a short read can hide a reset that came behind the data, of which no
// other event tells), or remembers that it has not, and asks for another look with poke().
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include <hangup/net/fd.h>

struct event;

namespace hangup::net {

class EventLoop;

struct IoResult {
  enum class Status : std::uint8_t {
    ok,           // `bytes` were moved; fewer than asked for: no more for now, and an event will tell
    would_block,  // nothing for now, and an event will tell
    end,          // the peer has sent FIN and everything before it was read
    failed,       // the connection is dead; `error` is the errno
  };
  Status status = Status::ok;
  std::size_t bytes = 0;
  int error = 0;
};

struct Readiness {
  bool readable = false;
  bool writable = false;
  bool fin = false;  // the peer has sent FIN; there may be data before it
};

enum class PeerState : std::uint8_t {
  open,
  half_closed,  // sent FIN, and may or may not still read
  gone,         // reset, or closed both ways
};

// Threading: belongs to its loop's thread.
class Transport {
 public:
  class Handler {
   public:
    // May destroy the transport.
    virtual void on_ready(Readiness ready) = 0;

   protected:
    ~Handler() = default;
  };

  // Takes over a non-blocking socket that is connected or connecting. `handler` outlives it.
  Transport(EventLoop& loop, Fd socket, Handler& handler);
  ~Transport();  // closes, if release() was not called
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  IoResult read(std::span<char> into);
  IoResult write(std::span<const iovec> pieces);

  // Asks the kernel without reading, so that a reset shows although data is waiting before it.
  PeerState peer_state() const;
  // The error that is pending on the socket, 0 for none: how a connect ended. Takes it off the socket.
  int take_error();

  // Calls the handler in the next turn of the loop, with nothing ready.
  void poke();

  void shutdown_write();
  // Makes the close that follows a reset (RST): the peer sees at once, even while it writes, that nobody is
  // there.
  void reset_on_close();
  // Stops watching and gives the socket up.
  Fd release();

  int fd() const { return socket_.get(); }

 private:
  Fd socket_;
  Handler& handler_;
  event* event_;
};

}  // namespace hangup::net
