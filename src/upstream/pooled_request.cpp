#include "upstream/pooled_request.h"

#include <utility>

namespace hangup::upstream {

PooledRequest::PooledRequest(Pool& pool, SharedUpstream& shared, ServerObserver& observer, Tries& tries,
                             const RequestOptions& options)
    : pool_(pool),
      shared_(shared),
      observer_(observer),
      method_(options.method),
      key_(options.key.empty() ? std::nullopt : Balancer::Key(Balancer::hash(options.key))),
      tries_(tries),
      fresh_(options.fresh) {}

void PooledRequest::start() {
  Pool::Found found = pool_.gives_way() ? Pool::Found::none_free : pool_.find_connection(*this);
  if (found == Pool::Found::none_free) {
    if (!pool_.enqueue(*this)) {
      return observer_.on_failed(
          {Failure::Kind::overloaded, "the queue for a connection to the upstream is full", false});
    }
    // One may have closed before we were counted as waiting: it woke nobody.
    if (!pool_.gives_way()) found = pool_.find_connection(*this);
  }
  if (found == Pool::Found::none_left) return on_none_left();
  if (found == Pool::Found::connection) return;
  observer_.on_queued();
  if (shared_.anything_idle()) shared_.wake_workers();  // others keep connections that we need
}

void PooledRequest::on_found(Http1Connection& connection, bool connected) {
  connection_ = &connection;
  server_ = connection.server();
  shared_.request_began(server_);
  if (!connected) return;
  pool_.counts().on_reused.add();
  observer_.on_connected(server(server_));
}

void PooledRequest::on_connected() {
  shared_.connected(server_, pool_.recent());
  pool_.counts().on_new.add();
  observer_.on_connected(server(server_));
}

void PooledRequest::on_unreachable(std::size_t server, Failure failure) {
  tries_.failed.resize(shared_.config().servers.size());
  ++tries_.failed[server];
  if (pool_.tried(tries_, server)) {
    shared_.unreachable(server, pool_.recent(), failure.message);
    keeps_to_.reset();
    given_up_ = !pool_.may_retry(tries_, RetryCause::connect, 0);
  } else {
    shared_.address_unreachable(server);
    keeps_to_ = server;
  }
  last_failure_ = std::make_unique<const Failure>(std::move(failure));
}

void PooledRequest::on_none_can_be_opened(Failure failure) {
  none_can_be_opened_ = true;
  last_failure_ = std::make_unique<const Failure>(std::move(failure));
}

void PooledRequest::on_none_left() {
  observer_.on_failed(last_failure_ ? *last_failure_
                                    : Failure{Failure::Kind::unreachable, "the upstream has no server"});
}

void PooledRequest::on_connect_failed(std::string reason) {
  pool_.address_failed(server_, connection_->address.get());
  drop_connection();
  on_unreachable(server_, {Failure::Kind::unreachable,
                           "cannot connect to " + server(server_).url + ": " + reason, false});
  start();
}

void PooledRequest::give_up_connecting() {
  if (connection_ == nullptr) return;
  Http1Connection& slow = *connection_;
  const std::string what = slow.in_handshake() ? "the TLS handshake with " : "connecting to ";
  pool_.address_failed(server_, slow.address.get());
  drop_connection();
  slow.abort();
  on_unreachable(server_,
                 {Failure::Kind::connect_timeout, what + server(server_).url + " took too long", false});
  start();
}

void PooledRequest::on_response_head(http::ResponseHead head) {
  answered_ = true;
  shared_.answered(server_, head.status, pool_.recent());
  observer_.on_response_head(std::move(head));
}

void PooledRequest::on_response_body(std::string_view data, bool last, const http::Fields& trailers) {
  if (last) drop_connection();
  observer_.on_response_body(data, last, trailers);
}

void PooledRequest::on_connection_failed(Failure failure) {
  drop_connection();
  if (!answered_ && !failure.stale_connection) shared_.failed(server_, pool_.recent(), failure.message);
  observer_.on_failed(failure);
}

bool PooledRequest::may_retry(RetryCause cause, int status) {
  tries_.failed.resize(shared_.config().servers.size());
  tries_.failed[server_] = Tries::for_good;
  return pool_.may_retry(tries_, cause, status);
}

void PooledRequest::drop_connection() {
  sent_before_ = sent_before_ || connection_->sent_anything();
  shared_.request_ended(server_);
  connection_ = nullptr;
}

void PooledRequest::abort() {
  if (queued) pool_.leave_queue(*this);
  if (connection_ == nullptr) return;
  Http1Connection& connection = *connection_;
  drop_connection();
  connection.abort();
}

}  // namespace hangup::upstream
