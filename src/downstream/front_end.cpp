#include "downstream/arrival.h"
#include "downstream/evhttp_server.h"
#include "downstream/http1_connection.h"

#include <list>
#include <utility>

#include <hangup/downstream/front_end.h>
#include <hangup/net/tls_server.h>

namespace hangup::downstream {
namespace {

class EvhttpFrontEnd final : public FrontEnd,
                             public EvhttpServer::Host,
                             public Arrival::Owner,
                             public Http1Connection::Owner {
 public:
  EvhttpFrontEnd(net::EventLoop& loop, net::Fd listening, const config::Listener& listener, RequestSink& sink)
      : loop_(loop), listener_(listener), sink_(sink), server_(loop, std::move(listening), *this) {}

  void drain() override {
    draining_ = true;
    server_.stop_accepting();
    while (!arrivals_.empty()) arrivals_.front()->close();
    for (auto next = connections_.begin(); next != connections_.end();) {
      Http1Connection& connection = **next++;  // it may leave the list
      connection.drain();
    }
  }
  std::size_t connections() const override { return arrivals_.size() + connections_.size(); }
  void use_tls(std::shared_ptr<const net::TlsServer> tls) override { tls_ = std::move(tls); }

 private:
  void on_accepted(std::unique_ptr<EvhttpSeat> seat, net::Fd socket, const SocketAddress& peer) override {
    arrivals_.push_front(std::make_unique<Arrival>(*this, std::move(seat), std::move(socket), peer));
    arrivals_.front()->self = arrivals_.begin();
    arrivals_.front()->start(peer);
  }
  // HTTP/1.1 is all that ALPN offers, and what clients speak that don't ask.
  void on_arrived(Arrival& arrival, Arrived arrived) override {
    remove(arrival);
    connections_.push_front(std::make_unique<Http1Connection>(*this, std::move(arrived)));
    connections_.front()->self = connections_.begin();
  }
  void on_not_arrived(Arrival& arrival) override { remove(arrival); }
  void remove(Arrival& arrival) {
    auto self = arrival.self;
    loop_.defer([gone = std::move(*self)] {});
    arrivals_.erase(self);
  }
  const net::TlsServer* tls() override { return tls_.get(); }

  net::EventLoop& loop() override { return loop_; }
  const config::Listener& listener() const override { return listener_; }
  RequestSink& sink() override { return sink_; }
  bool draining() const override { return draining_; }
  void on_closed(Http1Connection& connection) override {
    auto self = connection.self;
    loop_.defer([gone = std::move(*self)] {});
    connections_.erase(self);
  }

  net::EventLoop& loop_;
  const config::Listener& listener_;
  RequestSink& sink_;
  bool draining_ = false;
  std::shared_ptr<const net::TlsServer> tls_;
  EvhttpServer server_;
  std::list<std::unique_ptr<Arrival>> arrivals_;
  std::list<std::unique_ptr<Http1Connection>>
      connections_;  // destroyed, as arrivals_, before server_, whose seats they hold
};

}  // namespace

std::vector<std::string> protocols() {
  return {"http/1.1"};
}

Result<std::unique_ptr<FrontEnd>> make_front_end(net::EventLoop& loop, net::Fd listening,
                                                 const config::Listener& listener, RequestSink& sink) {
  return std::make_unique<EvhttpFrontEnd>(loop, std::move(listening), listener, sink);
}

}  // namespace hangup::downstream
