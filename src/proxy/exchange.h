// One request of a client and everything done for it until its one outcome: the object at the centre.
//
// The client's stream and the request to the server tell it what happens; it decides. Its phase is a state
// machine, moved only by transition(). However it ends, it ends in end(), which decides the outcome, stops
// the upstream and calls the cleanup that is owed, once; what is left after that is to tell the client, and
// then close() writes the one log line.
#pragma once

#include "proxy/origin.h"
#include "proxy/trace.h"

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include <hangup/base/outcome.h>
#include <hangup/base/scheduler.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/downstream/client_stream.h>
#include <hangup/http/message.h>
#include <hangup/observe/metrics.h>
#include <hangup/proxy/router.h>
#include <hangup/upstream/upstream.h>

namespace hangup::proxy {

class BodyPlanting;
class JsonCapture;
class Proxy;
struct InFlight;
struct ExchangeVariables;
struct RoutePlan;

class Exchange final : public downstream::StreamObserver, public upstream::ServerObserver {
 public:
  Exchange(Proxy& proxy, downstream::ClientStream& stream, http::RequestHead head);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void start();
  // The id it goes by: a trusted proxy's, or its own.
  std::string_view request_id() const { return origin_.request_id.empty() ? id_ : origin_.request_id; }
  void refuse(const downstream::Refusal& refusal);
  // The time to drain has run out.
  void shut_down();
  // It has ended and nobody waits for an answer: makes the cleanups that it owes, and goes. Once.
  void settle();
  // For people.
  InFlight in_flight() const;

  std::list<std::unique_ptr<Exchange>>::iterator self;  // the proxy's

 private:
  // The client.
  void on_request_body(std::string_view data, bool last) override;
  void on_request_invalid(const http::ParseError& error) override;
  void on_request_timeout() override;
  void on_response_timeout() override;
  void on_response_drained() override;
  void on_finishing(bool finishing) override;
  void on_sent() override;
  void on_half_close(MonoTime sign) override;
  void on_gone(MonoTime sign) override;
  void client_left(MonoTime sign);

  // The server.
  void on_queued() override;
  void on_connecting(const config::Server& server) override;
  void on_connected(const config::Server& server) override;
  void on_request_drained() override;
  void on_interim(const http::ResponseHead& head) override;
  void on_response_head(http::ResponseHead head) override;
  void on_response_body(std::string_view data, bool last, const http::Fields& trailers) override;
  void on_failed(const upstream::Failure& failure) override;
  void request_server(bool fresh);
  std::string_view balance_key();
  void server_chosen(const config::Server& server);
  bool send_request();
  http::Fields request_trailers() const;
  bool keep_request_body();
  void keep_request_body(std::string_view data, bool last);
  void body_left_alone(std::string_view reason);
  bool may_send_again() const;
  bool replaces_stale(const upstream::Failure& failure) const;
  void end_without_place(const std::string& why);
  bool may_retry(upstream::RetryCause cause, int status = 0);
  void retry(bool fresh);
  void pause_response();
  void server_done();
  void sent_to_client(std::string_view data);
  void choose_heartbeat();
  void heartbeat();
  std::string_view upgrade_asked() const;
  void open_tunnel();
  Duration idle_limit() const { return phase_ == Phase::tunnel ? timeouts().tunnel : timeouts().idle; }

  void transition(Phase next);
  void wait_for_room();
  bool waits_for_room() const { return extra_ && extra_->request_taken; }
  void end_wait_for_room();
  void wait_at_most(Duration limit);
  void wait_for_ever();
  void update_timer();
  void on_timer();

  void enter_journal();
  void renew_journal();
  void renew_stale_journal();
  void renew_journal_soon();
  void leave_journal();
  std::string_view snapshot() const;

  bool let_in();
  void end(Outcome outcome, int status = 0, std::string_view message = {}, std::string_view detail = {});
  void call_cleanup();
  void skip_cleanups(observe::Skip why, std::string_view reason);
  std::chrono::seconds come_back_after() const;
  void reply(int status, std::string_view message);
  void close();
  ExchangeVariables variables() const;
  // The server that may have begun work, or, before there is one, the one that is tried.
  cleanup::ServerAt worked_at() const {
    return {.server = sent_to_ != nullptr ? sent_to_ : server_,
            .address = extra_ ? extra_->sent_to_address.get() : nullptr};
  }
  const config::Upstream::Timeouts& timeouts() const { return route_->upstream->timeouts; }

  Proxy& proxy_;
  downstream::ClientStream* stream_;  // null once it has ended
  const std::shared_ptr<const downstream::ClientInfo> client_info_;
  const http::RequestHead head_;
  const Origin origin_;
  const std::string id_;  // hangup's own, which no other exchange has
  const Trace trace_;
  const MonoTime started_;
  const WallTime started_wall_;

  const config::Route* route_ = nullptr;
  const RoutePlan* plan_ = nullptr;  // the route's
  Captures captures_;
  std::string user_;  // the name of the token that let it in
  upstream::Upstream* upstream_ = nullptr;

  Phase phase_ = Phase::reading_request;
  bool working_on_ =
      false;  // the client has gone and the work goes on: to its end (finish), or for a while (grace)
  std::optional<Outcome> outcome_;  // once decided
  bool is_let_in_ = false;
  bool closed_ = false;

  std::unique_ptr<upstream::ServerRequest> request_;  // while one is under way
  const config::Server* server_ = nullptr;            // the one chosen last
  const config::Server* sent_to_ = nullptr;           // the last one that the request was sent to
  OptionalTime server_chosen_;
  OptionalTime server_done_;
  bool was_reset_ = false;  // by a server that had the request; another was to have it
  bool stale_replaced_ = false;
  bool interim_sent_ = false;
  upstream::Tries tries_;
  bool sent_anything_ = false;              // to any server: it may have begun work
  bool body_forwarded_ = false;             // some of the request's body is gone, and can't be sent again
  bool request_whole_ = false;              // received
  std::unique_ptr<BodyPlanting> planting_;  // while the request's body is kept
  std::unique_ptr<JsonCapture> request_json_;
  std::unique_ptr<JsonCapture> response_json_;
  cleanup::InFlightJournal::Entry in_flight_ = cleanup::InFlightJournal::none;
  bool journal_stale_ = false;  // more is known of what the cleanups name

  std::unique_ptr<const http::ResponseHead> response_;
  int status_ = 0;  // what the client got
  OptionalTime first_byte_;

  OptionalTime sign_;  // of the disconnect
  Phase left_in_ = Phase::reading_request;
  bool finished_without_client_ = false;

  std::unique_ptr<Timer> timer_;
  OptionalTime phase_deadline_;
  OptionalTime total_deadline_;
  OptionalTime grace_deadline_;
  OptionalTime heartbeat_due_;
  config::Heartbeat::Kind heartbeat_ = config::Heartbeat::Kind::off;  // in the phase that it is in
  bool response_paused_ = false;
  bool at_line_start_ = true;  // of the response's body

  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  // What most exchanges have nothing of.
  struct Extra {
    std::vector<std::string_view> allowed_methods;  // for Allow of the reply
    std::string_view challenge;                     // for its WWW-Authenticate
    std::vector<std::string_view> tried;            // the URLs of the servers before server_
    std::optional<Duration> abort_took;
    std::vector<std::string> cleanup_ids;
    std::string cleanup_skipped;
    std::string error;
    // Where sent_to_ is, of a server that has a name.
    std::shared_ptr<const SocketAddress> sent_to_address;
    // While the server has no room for more of the request: what it had taken when the wait began.
    std::optional<std::uint64_t> request_taken;
  };
  Extra& extra();
  std::unique_ptr<Extra> extra_;
};

}  // namespace hangup::proxy
