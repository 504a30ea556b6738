// What comes between accepting a connection and the protocol that is spoken on it: the PROXY header is read
// and the TLS handshake done, as the listener wants them, within one deadline. Then everything is handed over
// to the protocol's connection, and nothing of what follows has been read by then.
//
// A connection that says nothing costs little here: OpenSSL's part is made when TLS's first byte has come.
#pragma once

#include "downstream/admission.h"

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <hangup/base/scheduler.h>
#include <hangup/downstream/client_stream.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/tls_server.h>
#include <hangup/net/transport.h>

namespace hangup::downstream {

// A connection that is ready for its protocol, which is in transport->tls()->protocol() where ALPN has
// chosen.
struct Arrived {
  std::unique_ptr<EvhttpSeat> seat;
  std::unique_ptr<net::Transport> transport;
  ConnectionPlace place;
  ClientInfo client;
  bool waited = false;             // events of the socket came before, and are not told again
  bool fin = false;                // the client has sent FIN already
  std::optional<Refusal> refusal;  // every request is to be refused so
};

class Arrival final : public net::Transport::Handler {
 public:
  // What an arrival needs of its front end.
  class Owner {
   public:
    virtual net::EventLoop& loop() = 0;
    virtual const std::shared_ptr<const config::Listener>& listener() const = 0;
    virtual RequestSink& sink() = 0;
    virtual ConnectionCounts& counts() = 0;
    virtual const std::shared_ptr<const net::TlsServer>& tls() const = 0;
    // Who the client is, as a PROXY header says. False: it may have no more connections.
    virtual bool name_client(ConnectionPlace& place, const SocketAddress& client) = 0;
    // The end of an arrival; it is to be destroyed, but not from inside these calls.
    virtual void on_arrived(Arrival& arrival, Arrived arrived) = 0;
    virtual void on_not_arrived(Arrival& arrival) = 0;
    // The same for one whose client may not have it.
    virtual void on_not_admitted(Arrival& arrival, Admission::Newcomer refused) = 0;

   protected:
    ~Owner() = default;
  };

  Arrival(Owner& owner, Admission::Newcomer newcomer);
  virtual ~Arrival();

  // Once, when `self` is set. May end it.
  void start();
  // Ends it, in silence.
  void close();
  // Gives it no longer than that, also before start().
  void end_by(MonoTime deadline);

  std::list<std::unique_ptr<Arrival>>::iterator self;  // the owner's

 private:
  enum class State : std::uint8_t {
    proxy_header,
    first_byte,  // of TLS, or of a request in plain text
    handshake,
    ended,
  };

  const config::Listener& listener() const { return *arrived_.client.listener; }
  void on_ready(net::Readiness ready) override;
  void go_on();
  bool read_proxy_header();
  bool look_at_first_byte();
  bool shake_hands();
  std::string_view peek(std::size_t most);
  void on_nothing_more();
  void on_deadline();

  void end();
  void arrive(std::optional<Refusal> refusal = {});
  void fail(std::string reason, bool left);
  void refuse();

  Owner& owner_;
  Arrived arrived_;
  SocketAddress client_;
  const std::shared_ptr<const net::TlsServer> tls_;  // of the time when it came, as its listener
  std::unique_ptr<Timer> timer_;
  MonoTime deadline_ = MonoTime::max();
  State state_ = State::proxy_header;
};

}  // namespace hangup::downstream
