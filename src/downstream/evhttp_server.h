// evhttp with its sockets taken over. evhttp accepts connections, owns their connection and request objects,
// dispatches requests and keeps connections alive; it never reads or writes a socket. Only public functions
// of libevent are used; what is relied on beyond their documentation is checked by self_test().
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <hangup/base/address.h>
#include <hangup/base/clock.h>
#include <hangup/downstream/connection_limits.h>
#include <hangup/net/accepting.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/fd.h>

struct bufferevent;
struct evhttp;
struct evhttp_bound_socket;
struct evhttp_connection;
struct evhttp_request;

namespace hangup::downstream {

class EvhttpServer;

// A connection's place in evhttp. Destroying it frees evhttp's connection, which shuts the socket down for
// writing by its number: it goes before the socket is closed.
class EvhttpSeat {
 public:
  EvhttpSeat(EvhttpServer& server, evhttp_connection* connection, bufferevent* buffer)
      : server_(server), connection_(connection), buffer_(buffer) {}
  ~EvhttpSeat();
  EvhttpSeat(const EvhttpSeat&) = delete;
  EvhttpSeat& operator=(const EvhttpSeat&) = delete;

  // Announces one admitted request: evhttp makes its request object and dispatches it, which calls
  // `dispatched` from inside.
  void announce(std::function<void()> dispatched);
  // The announced request has been answered: evhttp frees its object and waits for the next.
  void complete();
  bool announced() const { return request_ != nullptr; }

 private:
  friend class EvhttpServer;
  EvhttpServer& server_;
  evhttp_connection* connection_;
  bufferevent* buffer_;
  evhttp_request* request_ = nullptr;
  std::function<void()> dispatched_;
};

class EvhttpServer {
 public:
  class Host {
   public:
    // A client is being accepted: the place for it, which may be empty. pause_accepting() may be called; then
    // it is the last one.
    virtual ConnectionPlace on_accepting() = 0;
    // A client has connected; its socket is ours from here on.
    virtual void on_accepted(std::unique_ptr<EvhttpSeat> seat, net::Fd socket, const SocketAddress& peer,
                             ConnectionPlace place) = 0;
    // accept() has failed, with this errno; after a rest it is tried again.
    virtual void on_accept_error(int error) = 0;

   protected:
    ~Host() = default;
  };

  // Takes over a non-blocking listening socket.
  EvhttpServer(net::EventLoop& loop, net::Fd listening, Host& host);
  ~EvhttpServer();  // after every seat
  EvhttpServer(const EvhttpServer&) = delete;
  EvhttpServer& operator=(const EvhttpServer&) = delete;

  // Clients that connect meanwhile wait in the kernel's queue.
  void pause_accepting() { accepting_->pause(); }
  void resume_accepting() { accepting_->resume(); }
  // Whether clients wait in the kernel's queue, who would be cut off by stop_accepting(), or have just been
  // accepted.
  bool clients_wait() const;
  // For good.
  void stop_accepting();
  bool accepts() const { return bound_ != nullptr; }
  // Of the connections to come.
  void set_dead_peer(Duration dead_peer);

 private:
  friend class EvhttpSeat;
  struct Adoption;
  static bufferevent* on_new_buffer(event_base* base, void* self);
  static void on_adopt(int, short, void* adoption);
  static void on_request(evhttp_request* request, void* self);

  Host& host_;
  evhttp* http_;
  evhttp_bound_socket* bound_;  // null once stop_accepting() was called
  std::optional<net::Accepting> accepting_;
  Adoption* adoptions_ = nullptr;     // accepted in this turn of the loop, not adopted yet
  EvhttpSeat* announcing_ = nullptr;  // evhttp dispatches from inside announce()
};

}  // namespace hangup::downstream
