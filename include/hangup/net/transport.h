// A connected stream socket, watched by one edge-triggered event for its whole life: data, room, FIN and
// reset all arrive at once, whatever its owner is doing, and nothing ever has to be re-armed. The same class
// serves clients and servers, in plain text and, after start_tls(), by TLS.
//
// Its owner reads until would_block (a short read can hide a reset that came behind the data, of which no
// other event tells), or remembers that it has not, and asks for another look with poke().
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <hangup/base/clock.h>
#include <hangup/net/fd.h>

struct event;

namespace hangup::net {

class EventLoop;
class TlsConnection;

struct IoResult {
  enum class Status : std::uint8_t {
    ok,           // `bytes` were moved, at least one
    would_block,  // nothing for now, and an event will tell
    end,          // the peer has sent FIN, or TLS's close_notify, and everything before it was read
    // The connection is dead; `error` is the errno, EPROTO for a fault of TLS. `bytes` were moved before, and
    // where writing has failed there may be some to read.
    failed,
  };
  Status status = Status::ok;
  std::size_t bytes = 0;
  int error = 0;
  bool more = false;  // to read, maybe, of which no event will tell
};

struct Readiness {
  bool readable = false;
  bool writable = false;
  bool fin = false;  // the peer has sent FIN; there may be data before it
};

// Of what was written to a TCP socket, what the peer's kernel has not acknowledged.
struct Unacknowledged {
  std::uint64_t bytes = 0;
  std::uint64_t unsent = 0;  // of them, what waits here: the peer's window is closed, or the path is full
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

  // Takes over a non-blocking socket that is connected or connecting. `handler` outlives it. Where the kernel
  // has no room to watch one more, the handler is called soon, and all that it tries fails.
  Transport(EventLoop& loop, Fd socket, Handler& handler);
  ~Transport();  // closes, if release() was not called
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  IoResult read(std::span<char> into);
  // With TLS, after would_block the next call has to begin with the same bytes, as it does where what was not
  // taken is kept.
  IoResult write(std::span<const iovec> pieces);

  // From now on what is read and written is what TLS carries. handshake() is to be called then, and again
  // whenever the handler is, until it is ok (the other results end it) and before anything is read or
  // written. REQUIRES: connected.
  void start_tls(std::unique_ptr<TlsConnection> tls);
  IoResult handshake();
  // From now on it is this one's, which knows nothing of events that came before.
  void set_handler(Handler& handler) { handler_ = &handler; }
  // Null without TLS.
  const TlsConnection* tls() const { return tls_.get(); }
  // Of a `failed` result, for people.
  std::string explain(int error) const;

  // Not of what a PROXY header says of the client.
  bool is_unix() const;
  // Asks the kernel without reading, so that a reset shows although data is waiting before it.
  PeerState peer_state() const;
  // TCP only. What was written so far in all, and how much of it is not acknowledged; TCP's estimate of a
  // round trip.
  std::uint64_t written() const { return written_; }
  Unacknowledged unacknowledged() const;
  // How many bytes the peer's kernel has taken since the connection began (of a UNIX socket without TLS: the
  // peer itself). Only ever grows.
  std::uint64_t acknowledged() const;
  Duration round_trip() const;
  // What was sent to it again and again is not answered, and neither was anything else for so long. Of a peer
  // that merely takes no more the kernel knows better: it answers.
  bool peer_silent_for(Duration limit) const;
  // The error that is pending on the socket, 0 for none: how a connect ended. Takes it off the socket.
  int take_error();

  // Calls the handler in the next turn of the loop, with nothing ready.
  void poke();

  // With TLS, close_notify goes first.
  void shutdown_write();
  // Resets the connection (RST) now: the peer sees at once, even while it writes, that nobody is there. With
  // TLS, no close_notify goes before it. Of a UNIX socket the close that is to follow tells the same.
  void reset();
  // With TLS, no close_notify is sent any more: the peer can tell that what came is not all.
  void forgo_goodbye();
  // Stops watching and closes; with TLS, close_notify goes first. Nothing else may be called after it.
  void close();
  // Stops watching and gives the socket up, which TLS has left by then: close_notify goes first.
  Fd release();

  int fd() const { return socket_.get(); }

 private:
  void unwatch();

  EventLoop* loop_;
  Fd socket_;
  Handler* handler_;
  event* event_;
  int unwatched_ = 0;  // why the kernel does not watch it
  std::unique_ptr<TlsConnection> tls_;
  std::uint64_t written_ = 0;
};

}  // namespace hangup::net
