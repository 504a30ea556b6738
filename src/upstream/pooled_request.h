// One request's way through its worker's pool: what it has tried, and the connection that it has.
#pragma once

#include "upstream/pool.h"

#include <list>
#include <optional>
#include <string>
#include <string_view>

namespace hangup::upstream {

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
  void head_is_overdue() override {
    shared_.failed(server_, pool_.recent(), "no response head came in time");
  }
  std::uint64_t acknowledged() const override {
    return connection_ != nullptr ? connection_->acknowledged() : 0;
  }
  bool may_retry(RetryCause cause, int status) override;
  void abort() override;
  bool sent_anything() const override {
    return sent_before_ || (connection_ != nullptr && connection_->sent_anything());
  }
  std::shared_ptr<const SocketAddress> address() const override {
    return connection_ != nullptr ? connection_->address : nullptr;
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
  void on_none_left();

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
  const std::string_view method_;
  const Balancer::Key key_;
  Tries& tries_;
  std::optional<std::size_t> keeps_to_;          // this server has another address
  std::unique_ptr<const Failure> last_failure_;  // to connect; null for none
  Http1Connection* connection_ = nullptr;
  std::size_t server_ = 0;  // of connection_
  const bool fresh_;
  bool given_up_ = false;
  bool none_can_be_opened_ = false;
  bool answered_ = false;
  bool sent_before_ = false;  // sent_anything(), kept when the connection goes
};

}  // namespace hangup::upstream
