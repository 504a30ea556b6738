#include "downstream/admission.h"
#include "downstream/arrival.h"
#include "downstream/evhttp_server.h"
#include "downstream/http1_connection.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <utility>

#include <hangup/downstream/front_end.h>
#include <hangup/net/tls_server.h>

namespace hangup::downstream {
namespace {

// How long a connection that has just been made may take to ask for something, when hangup drains.
constexpr auto newcomers_patience = std::chrono::seconds(1);
// How long those who wait to be accepted are left to it before another look, then.
constexpr auto last_call_every = std::chrono::milliseconds(10);

class EvhttpFrontEnd final : public FrontEnd,
                             public EvhttpServer::Host,
                             public Admission::Host,
                             public Arrival::Owner,
                             public Http1Connection::Owner {
 public:
  EvhttpFrontEnd(net::EventLoop& loop, net::Fd listening, SharedListener& shared, Terms terms)
      : loop_(loop),
        listener_(std::move(terms.listener)),
        tls_(std::move(terms.tls)),
        sink_(&terms.sink),
        server_(loop, std::move(listening), *this),
        admission_(loop, shared, *this),
        silence_timer_(loop.make_timer([this] { look_for_silence(); })),
        last_call_(loop.make_timer([this] { stop_accepting_if_nobody_waits(); })) {
    look_for_silence();
  }

  void use(Terms terms) override {
    if (terms.listener->dead_peer != listener_->dead_peer) {
      server_.set_dead_peer(terms.listener->dead_peer);
      silence_timer_->set(loop_.now());
    }
    listener_ = std::move(terms.listener);
    tls_ = std::move(terms.tls);
    sink_ = &terms.sink;
    for (const auto& connection : connections_) connection->follow_reload();
  }
  void use(RequestSink& sink) override { sink_ = &sink; }
  void drain() override {
    draining_ = true;
    last_call_->set(loop_.now());  // once this turn's clients have been accepted
    newcomers_until_ = loop_.now() + newcomers_patience;
    for (const auto& arrival : arrivals_) arrival->end_by(newcomers_until_);
    for (auto next = connections_.begin(); next != connections_.end();) {
      Http1Connection& connection = **next++;  // it may leave the list
      connection.drain(newcomers_until_);
    }
  }
  std::size_t connections() const override { return arriving() + connections_.size(); }
  std::size_t awaited() const override {
    const auto some = std::ranges::count_if(connections_, [](const auto& each) { return each->awaited(); });
    return arriving() + static_cast<std::size_t>(some);
  }

 private:
  ConnectionPlace on_accepting() override { return admission_.place(); }
  void on_accept_error(int error) override { admission_.on_accept_error(error); }
  void on_accepted(std::unique_ptr<EvhttpSeat> seat, net::Fd socket, const SocketAddress& peer,
                   ConnectionPlace place) override {
    counts().accepted.add();
    Admission::Newcomer newcomer{std::move(socket), std::move(seat), peer, std::move(place)};
    if (!newcomer.place) return admission_.hold_or_refuse(std::move(newcomer));
    on_admitted(std::move(newcomer));
  }
  void on_admitted(Admission::Newcomer newcomer) override {
    // With the PROXY protocol, who the client is becomes known when it has arrived.
    if (!listener_->proxy_protocol && !admission_.admit_client(newcomer)) return;
    arrivals_.push_front(std::make_unique<Arrival>(*this, std::move(newcomer)));
    arrivals_.front()->self = arrivals_.begin();
    if (draining_) arrivals_.front()->end_by(newcomers_until_);
    arrivals_.front()->start();
  }
  void pause_accepting() override { server_.pause_accepting(); }
  void resume_accepting() override { server_.resume_accepting(); }

  // HTTP/1.1 is all that ALPN offers, and what clients speak that don't ask.
  void on_arrived(Arrival& arrival, Arrived arrived) override {
    remove(arrival);
    connections_.push_front(std::make_unique<Http1Connection>(*this, std::move(arrived)));
    connections_.front()->self = connections_.begin();
    if (draining_) connections_.front()->drain(newcomers_until_);
  }
  void on_not_arrived(Arrival& arrival) override { remove(arrival); }
  bool name_client(ConnectionPlace& place, const SocketAddress& client) override {
    return admission_.name_client(place, client);
  }
  void on_not_admitted(Arrival& arrival, Admission::Newcomer refused) override {
    remove(arrival);
    admission_.refuse_client(std::move(refused));
  }
  // Clients that have connected and been told so do not expect to be cut off, though nobody has accepted them
  // yet.
  void stop_accepting_if_nobody_waits() {
    const bool somebody = server_.clients_wait() || admission_.holds_some();
    if (somebody && loop_.now() < newcomers_until_) return last_call_->set(loop_.now() + last_call_every);
    server_.stop_accepting();
    admission_.drain();
  }
  std::size_t arriving() const { return arrivals_.size() + (draining_ && server_.accepts() ? 1 : 0); }
  void remove(Arrival& arrival) {
    auto self = arrival.self;
    loop_.defer([gone = std::move(*self)] {});
    arrivals_.erase(self);
  }
  const std::shared_ptr<const net::TlsServer>& tls() const override { return tls_; }

  // Keepalive finds who vanished while nothing was on its way to it. For the others the kernel has
  // TCP_USER_TIMEOUT, but that also ends connections whose client answers and only takes no more for a while.
  // Four looks within the time, for connections silent for three quarters of it: gone when it is over.
  void look_for_silence() {
    const Duration quarter = listener_->dead_peer / 4;
    silence_timer_->set(loop_.now() + quarter);
    for (auto next = connections_.begin(); next != connections_.end();) {
      Http1Connection& connection = **next++;  // it may leave the list
      connection.look_for_silence(3 * quarter);
    }
  }

  net::EventLoop& loop() override { return loop_; }
  const std::shared_ptr<const config::Listener>& listener() const override { return listener_; }
  RequestSink& sink() override { return *sink_; }
  ConnectionCounts& counts() override { return admission_.counts(); }
  bool draining() const override { return draining_; }
  void on_closed(Http1Connection& connection) override {
    auto self = connection.self;
    loop_.defer([gone = std::move(*self)] {});
    connections_.erase(self);
  }

  net::EventLoop& loop_;
  std::shared_ptr<const config::Listener> listener_;
  std::shared_ptr<const net::TlsServer> tls_;
  RequestSink* sink_;
  bool draining_ = false;
  MonoTime newcomers_until_{};
  EvhttpServer server_;
  // Destroyed before server_, whose seats they hold.
  Admission admission_;
  std::list<std::unique_ptr<Arrival>> arrivals_;
  std::list<std::unique_ptr<Http1Connection>> connections_;
  std::unique_ptr<Timer> silence_timer_;
  std::unique_ptr<Timer> last_call_;
};

}  // namespace

std::vector<std::string> protocols() {
  return {"http/1.1"};
}

std::unique_ptr<FrontEnd> make_front_end(net::EventLoop& loop, net::Fd listening, SharedListener& shared,
                                         Terms terms) {
  return std::make_unique<EvhttpFrontEnd>(loop, std::move(listening), shared, std::move(terms));
}

}  // namespace hangup::downstream
