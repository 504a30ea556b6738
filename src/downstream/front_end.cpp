#include "downstream/admission.h"
#include "downstream/evhttp_server.h"
#include "downstream/http1_connection.h"

#include <list>
#include <utility>

#include <hangup/downstream/front_end.h>

namespace hangup::downstream {
namespace {

class EvhttpFrontEnd final : public FrontEnd,
                             public EvhttpServer::Host,
                             public Admission::Host,
                             public Http1Connection::Owner {
 public:
  EvhttpFrontEnd(net::EventLoop& loop, net::Fd listening, SharedListener& shared, RequestSink& sink)
      : loop_(loop),
        listener_(shared.config),
        sink_(sink),
        server_(loop, std::move(listening), *this),
        admission_(loop, shared, *this) {}

  void drain() override {
    draining_ = true;
    server_.stop_accepting();
    admission_.drain();
    for (auto next = connections_.begin(); next != connections_.end();) {
      Http1Connection& connection = **next++;  // it may leave the list
      connection.drain();
    }
  }
  std::size_t connections() const override { return connections_.size(); }

 private:
  ConnectionPlace on_accepting() override { return admission_.place(); }
  void on_accept_error(int error) override { admission_.on_accept_error(error); }
  void on_accepted(std::unique_ptr<EvhttpSeat> seat, net::Fd socket, const SocketAddress& peer,
                   ConnectionPlace place) override {
    Admission::Arrival arrival{std::move(socket), std::move(seat), peer, std::move(place)};
    if (!arrival.place) return admission_.hold_or_refuse(std::move(arrival));
    on_admitted(std::move(arrival));
  }
  void on_admitted(Admission::Arrival arrival) override {
    if (!admission_.admit_client(arrival, arrival.peer)) return;
    connections_.push_front(std::make_unique<Http1Connection>(
        *this, std::move(arrival.seat), std::move(arrival.socket), arrival.peer, std::move(arrival.place)));
    connections_.front()->self = connections_.begin();
  }
  void pause_accepting() override { server_.pause_accepting(); }
  void resume_accepting() override { server_.resume_accepting(); }

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
  Admission admission_;  // destroyed before server_, whose seats it holds, as connections_ do
  std::list<std::unique_ptr<Http1Connection>> connections_;
};

}  // namespace

Result<std::unique_ptr<FrontEnd>> make_front_end(net::EventLoop& loop, net::Fd listening,
                                                 SharedListener& shared, RequestSink& sink) {
  return std::make_unique<EvhttpFrontEnd>(loop, std::move(listening), shared, sink);
}

}  // namespace hangup::downstream
