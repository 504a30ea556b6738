// One worker's connections to an upstream's servers, and the requests that wait for one.
#pragma once

#include "upstream/balancer.h"
#include "upstream/http1_connection.h"
#include "upstream/shared_upstream.h"

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <hangup/net/event_loop.h>
#include <hangup/upstream/upstream.h>

namespace hangup::upstream {

class PooledRequest;

class Pool final : public Upstream, public Http1Connection::Owner {
 public:
  Pool(net::EventLoop& loop, std::shared_ptr<SharedUpstream> shared);
  ~Pool() override;

  const config::Upstream& config() const override { return shared_->config(); }
  std::unique_ptr<ServerRequest> request(ServerObserver& observer, Tries& tries,
                                         const RequestOptions& options) override;

  enum class Found : std::uint8_t { connection, none_free, none_left };
  // Gives the request a connection, idle or connecting, to a server that it has not tried, and takes it out
  // of the queue. The request is told by its on_found().
  Found find_connection(PooledRequest& request);
  // False when the queue is full.
  bool enqueue(PooledRequest& request);
  void leave_queue(PooledRequest& request);
  // All of the server's addresses that one request may try have failed.
  bool tried(const Tries& tries, std::size_t server) const;
  // By `retries`, for what these tries come from; takes it from the budget and counts it.
  bool may_retry(Tries& tries, RetryCause cause, int status);
  MonoTime now() const { return loop_.now(); }
  SharedUpstream::Requests& counts() { return counts_; }

 private:
  using Connections = std::list<std::unique_ptr<Http1Connection>>;

  net::EventLoop& loop() override { return loop_; }
  void on_reusable(Http1Connection& connection) override;
  void on_closed(Http1Connection& connection) override;

  // A server with room for one more request; `idle` is null when a connection is to be opened, and counted
  // already.
  struct Choice {
    std::size_t server = 0;
    Http1Connection* idle = nullptr;
  };
  // The best of them, or, with `idle_only`, of those with an idle connection.
  Found choose(const PooledRequest& request, bool idle_only, Choice& choice);
  bool use(const Choice& choice, PooledRequest& request);
  void serve_queue();
  void give_up_idle();
  // Null for plain text. The server's TLS session is resumed by the next connection.
  std::shared_ptr<net::TlsPeer> peer(std::size_t server);
  // Closes what is idle and was made with TLS settings that were read anew since, sessions too.
  void follow_reload();
  // Closes what is idle and leads to where the server's name does not lead any more.
  void follow_names();
  bool leads_to_server(const Http1Connection& connection) const;
  // In turn. Null: its name was never found.
  std::shared_ptr<const SocketAddress> next_address(std::size_t server);
  void close_expired();

  net::EventLoop& loop_;
  std::shared_ptr<SharedUpstream> shared_;
  SharedUpstream::Requests& counts_;
  std::vector<Connections> idle_;  // a list a server, the one used last in front
  Connections busy_;
  std::vector<std::shared_ptr<net::TlsPeer>> peers_;  // a server each; null until there is a TLS connection
  unsigned tls_version_ = 0;                          // that they were made with
  std::vector<Addresses::List> addresses_;            // a server each
  unsigned addresses_version_ = 0;
  std::vector<std::size_t> address_turns_;  // a server each
  std::list<PooledRequest*> queue_;
  Balancer balancer_;
  const bool retries_anything_;  // by `retries`, beyond connecting
  std::unique_ptr<Timer> idle_timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // for wake-ups that arrive too late
};

// A request's way through the pool.
class PooledRequest final : public ServerRequest, public Http1Connection::User {
 public:
  PooledRequest(Pool& pool, SharedUpstream& shared, ServerObserver& observer, Tries& tries,
                const RequestOptions& options);
  ~PooledRequest() override { abort(); }

  void start() override;
  void give_up_connecting() override;
  void send_head(const OutgoingRequest& request) override { connection_->send_head(request); }
  bool send_body(std::string_view data, bool last, std::span<const http::Field> trailers) override {
    return connection_->send_body(data, last, trailers);
  }
  void pause_response(bool paused) override {
    if (connection_ != nullptr) connection_->pause_response(paused);
  }
  void head_is_overdue() override { shared_.failed(server_, pool_.now(), "no response head came in time"); }
  bool may_retry(RetryCause cause, int status) override;
  void abort() override;
  bool sent_anything() const override {
    return sent_before_ || (connection_ != nullptr && connection_->sent_anything());
  }

  // For the pool.
  std::string_view method() const { return method_; }
  bool fresh() const { return fresh_; }
  Balancer::Key key() const { return key_; }
  // It may not go to this server: it has tried it, or has not tried all addresses of another yet.
  bool passes_by(std::size_t server) const {
    return pool_.tried(tries_, server) ||
           (keeps_to_ && *keeps_to_ != server && !pool_.tried(tries_, *keeps_to_));
  }
  // Connecting failed, and it may not go on to another server.
  bool given_up() const { return given_up_; }
  void on_connecting(std::size_t server) { observer_.on_connecting(this->server(server)); }
  // It has a connection now: `connected`, or on its way.
  void on_found(Http1Connection& connection, bool connected);
  // A connect that failed at once.
  void on_unreachable(std::size_t server, Failure failure);
  // It is this machine that can't connect: only an idle connection can help.
  void on_none_can_be_opened(Failure failure);
  bool none_can_be_opened() const { return none_can_be_opened_; }
  // There is no server left to try.
  void on_none_left() { observer_.on_failed(last_failure_); }

  std::list<PooledRequest*>::iterator queue_position;
  bool queued = false;
  unsigned times_queued = 0;
  // Back in the queue, since the server whose connection came free can't be connected to.
  void on_queued_again() { observer_.on_queued(); }

 private:
  const config::Server& server(std::size_t index) const { return shared_.config().servers[index]; }
  void drop_connection();

  void on_connected() override;
  void on_connect_failed(std::string reason) override;
  void on_request_drained() override { observer_.on_request_drained(); }
  void on_interim(const http::ResponseHead& head) override { observer_.on_interim(head); }
  void on_response_head(http::ResponseHead head) override;
  void on_response_body(std::string_view data, bool last, const http::Fields& trailers) override;
  void on_connection_failed(Failure failure) override;

  Pool& pool_;
  SharedUpstream& shared_;
  ServerObserver& observer_;
  const std::string method_;
  const bool fresh_;
  const Balancer::Key key_;
  Tries& tries_;
  bool given_up_ = false;
  std::optional<std::size_t> keeps_to_;  // this server has another address
  bool none_can_be_opened_ = false;
  Failure last_failure_{Failure::Kind::unreachable, "the upstream has no server", false};
  Http1Connection* connection_ = nullptr;
  std::size_t server_ = 0;  // of connection_
  bool answered_ = false;
  bool sent_before_ = false;  // sent_anything(), kept when the connection goes
};

}  // namespace hangup::upstream
