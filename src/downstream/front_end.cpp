#include "downstream/evhttp_server.h"
#include "downstream/http1_connection.h"

#include <list>
#include <utility>

#include <hangup/downstream/front_end.h>

namespace hangup::downstream {
namespace {

class EvhttpFrontEnd final : public FrontEnd, public EvhttpServer::Host, public Http1Connection::Owner {
 public:
  EvhttpFrontEnd(net::EventLoop& loop, net::Fd listening, const config::Listener& listener, RequestSink& sink)
      : loop_(loop),
        listener_(listener),
        sink_(sink),
        server_(loop, std::move(listening), *this),
        silence_timer_(loop.make_timer([this] { look_for_silence(); })) {
    look_for_silence();
  }

  void drain() override {
    draining_ = true;
    server_.stop_accepting();
    for (auto next = connections_.begin(); next != connections_.end();) {
      Http1Connection& connection = **next++;  // it may leave the list
      connection.drain();
    }
  }
  std::size_t connections() const override { return connections_.size(); }

 private:
  void on_accepted(std::unique_ptr<EvhttpSeat> seat, net::Fd socket, const SocketAddress& peer) override {
    connections_.push_front(
        std::make_unique<Http1Connection>(*this, std::move(seat), std::move(socket), peer));
    connections_.front()->self = connections_.begin();
  }

  // Keepalive finds who vanished while nothing was on its way to it. For the others the kernel has
  // TCP_USER_TIMEOUT, but that also ends connections whose client answers and only takes no more for a while.
  // Four looks within the time, for connections silent for three quarters of it: gone when it is over.
  void look_for_silence() {
    const Duration quarter = listener_.dead_peer / 4;
    silence_timer_->set(loop_.now() + quarter);
    for (auto next = connections_.begin(); next != connections_.end();) {
      Http1Connection& connection = **next++;  // it may leave the list
      connection.look_for_silence(3 * quarter);
    }
  }

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
  EvhttpServer server_;
  std::unique_ptr<Timer> silence_timer_;
  std::list<std::unique_ptr<Http1Connection>>
      connections_;  // destroyed before server_, whose seats they hold
};

}  // namespace

Result<std::unique_ptr<FrontEnd>> make_front_end(net::EventLoop& loop, net::Fd listening,
                                                 const config::Listener& listener, RequestSink& sink) {
  return std::make_unique<EvhttpFrontEnd>(loop, std::move(listening), listener, sink);
}

}  // namespace hangup::downstream
