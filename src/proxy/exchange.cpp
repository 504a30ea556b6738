#include "proxy/exchange.h"

#include "proxy/access.h"
#include "proxy/body_planting.h"
#include "proxy/error_reply.h"
#include "proxy/forwarding.h"
#include "proxy/route_plan.h"
#include "proxy/variables.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <hangup/config/path.h>
#include <hangup/proxy/proxy.h>

namespace hangup::proxy {

using cleanup::InFlightJournal;

namespace {

constexpr std::uint8_t bit(Phase phase) {
  return static_cast<std::uint8_t>(1U << static_cast<unsigned>(phase));
}

// Which phases may follow each. Going back is for a retry, or for the next server.
constexpr std::array<std::uint8_t, phase_names.size()> followers = {
    /* reading_request */ bit(Phase::queued) | bit(Phase::connecting) | bit(Phase::sending_request),
    /* queued */ bit(Phase::connecting) | bit(Phase::sending_request),
    /* connecting */ bit(Phase::connecting) | bit(Phase::queued) | bit(Phase::sending_request),
    /* sending_request */ bit(Phase::awaiting_response) | bit(Phase::streaming_response) |
        bit(Phase::queued) | bit(Phase::connecting) | bit(Phase::sending_request),
    /* awaiting_response */ bit(Phase::streaming_response) | bit(Phase::queued) | bit(Phase::connecting) |
        bit(Phase::sending_request),
    /* streaming_response */ bit(Phase::tunnel),
    /* tunnel */ 0,
};

// Outcomes by which nothing is owed while no server has seen a byte of the request.
constexpr OutcomeSet harmless_before_sending{Outcome::client_gone, Outcome::client_timeout, Outcome::deadline,
                                             Outcome::shutdown};

config::Listener::Trace trace_policy(const downstream::ClientInfo& client) {
  return client.listener == nullptr ? config::Listener::Trace::off : client.listener->trace;
}

std::string join(const std::vector<std::string_view>& words) {
  std::string joined;
  for (const std::string_view word : words) joined.append(joined.empty() ? "" : ", ").append(word);
  return joined;
}

}  // namespace

Exchange::Exchange(Proxy& proxy, downstream::ClientStream& stream, http::RequestHead head)
    : proxy_(proxy),
      stream_(&stream),
      client_info_(stream.client()),
      head_(std::move(head)),
      origin_(find_origin(*client_info_, head_.fields)),
      id_(proxy.new_id()),
      trace_(trace_policy(*client_info_), head_.fields, proxy.random()),
      started_(stream.started()),
      started_wall_(proxy.needs().scheduler.wall()),
      request_whole_(head_.framing.empty()) {
  stream.attach(*this);
}

Exchange::~Exchange() = default;

void Exchange::start() {
  RouteMatch match = proxy_.needs().router.match(head_.method, head_.host, head_.path);
  route_ = match.route;
  if (route_ == nullptr) {
    if (match.allowed_methods.empty())
      return end(Outcome::rejected, 404, "no route matches this request", "no route");
    extra().allowed_methods = std::move(match.allowed_methods);
    return end(Outcome::rejected, 405, "this method is not allowed here", "no route for the method");
  }
  captures_ = std::move(match.captures);
  if (!let_in()) return;
  plan_ = &proxy_.plan(*route_);
  upstream_ = proxy_.needs().upstreams.at(route_->upstream.get());
  timer_ = proxy_.needs().scheduler.make_timer([this] { on_timer(); });
  if (timeouts().total != Duration::zero()) total_deadline_ = started_ + timeouts().total;
  choose_heartbeat();
  update_timer();
  // A client that has gone already costs the upstream nothing.
  if (stream_->half_closed()) {
    on_half_close(proxy_.needs().scheduler.now());
    if (outcome_) return;
  }
  if (!plan_->request_json.empty() && json_in(head_.fields) != JsonIn::nothing)
    request_json_ = std::make_unique<JsonCapture>(plan_->request_json, json_in(head_.fields));
  // A slow upload is to hold no connection to a server.
  if (!keep_request_body()) request_server(false);
}

// Ends it if not. Nothing of the body has been asked for, and no server.
bool Exchange::let_in() {
  if (proxy_.guards_paths() && !route_->access.ambiguous_paths && config::is_ambiguous_path(head_.path)) {
    end(Outcome::rejected, 400, "the path can be read in more than one way",
        "the path can be read in more than one way; the route may say ambiguous_paths: allow");
    return false;
  }
  Admission admission = proxy_.access().admit(*route_, head_.fields, origin_);
  user_ = std::move(admission.user);
  is_let_in_ = admission.status == 0;
  if (is_let_in_) return true;
  extra().challenge = admission.challenge;
  end(Outcome::rejected, admission.status, admission.message, admission.detail);
  return false;
}

void Exchange::refuse(const downstream::Refusal& refusal) {
  end(refusal.outcome, refusal.status, refusal.message, refusal.message);
}

void Exchange::shut_down() {
  if (outcome_ && stream_ != nullptr) {  // an answer of hangup's own that the client does not take
    bytes_out_ = std::exchange(stream_, nullptr)->cut();
    return close();
  }
  if (working_on_) return end(Outcome::client_gone);
  end(Outcome::shutdown, 503, "this server is shutting down",
      "the drain ended first: its time ran out, or a second signal came");
}

// ---- A server is looked for; exchange_request.cpp goes on

void Exchange::request_server(bool fresh) {
  request_ =
      upstream_->request(*this, tries_, {.method = head_.method, .fresh = fresh, .key = balance_key()});
  request_->start();
}

// What the server is chosen by, for balance: hash. Without a value there is none.
std::string_view Exchange::balance_key() {
  const auto& from = route_->upstream->hash_key;
  if (!from) return {};
  std::string& key = proxy_.scratch();
  key.clear();
  if (!from->render_into(key, variables(), config::Place::header)) key.clear();
  return key;
}

void Exchange::on_queued() {
  transition(Phase::queued);
  wait_at_most(route_->upstream->connections.queue_timeout);
}

void Exchange::on_connecting(const config::Server& server) {
  server_chosen(server);
  transition(Phase::connecting);
  wait_at_most(timeouts().connect);
}

// ---- The server fails

// A server that may have begun work gets a second one beside it only where that is as good as one (RFC 9110
// section 9.2.2), and none begins for a client that has gone.
bool Exchange::may_send_again() const {
  return stream_ != nullptr && !body_forwarded_ && !response_ && !interim_sent_ &&
         (http::is_idempotent(head_.method) || !request_->sent_anything());
}

// Any connection may turn out closed, which is nobody's failure: that counts as no retry.
bool Exchange::replaces_stale(const upstream::Failure& failure) const {
  return failure.stale_connection && !stale_replaced_ && may_send_again();
}

// Takes it from the budget.
bool Exchange::may_retry(upstream::RetryCause cause, int status) {
  return may_send_again() && request_->may_retry(cause, status);
}

void Exchange::retry(bool fresh) {
  sent_anything_ = sent_anything_ || request_->sent_anything();
  proxy_.needs().scheduler.defer([over = std::move(request_)] {});  // it is calling us
  // Nothing of the body goes before the head, which goes when the next connection is there.
  if (!request_whole_) stream_->pause_request(true);
  request_server(fresh);
}

void Exchange::on_failed(const upstream::Failure& failure) {
  if (replaces_stale(failure)) {
    stale_replaced_ = true;
    return retry(true);
  }
  if (failure.unanswered && may_retry(upstream::RetryCause::reset)) {
    was_reset_ = true;
    return retry(stale_replaced_);
  }
  sent_anything_ = sent_anything_ || request_->sent_anything();
  proxy_.needs().scheduler.defer([over = std::move(request_)] {});  // it is calling us
  server_done_ = proxy_.needs().scheduler.now();
  if (working_on_) return end(Outcome::client_gone, 0, {}, failure.message);
  using Kind = upstream::Failure::Kind;
  switch (failure.kind) {
    case Kind::overloaded:
      transition(Phase::queued);  // as far as it came
      return end_without_place(failure.message);
    case Kind::unreachable:
      return end(Outcome::upstream_unreachable, 502, "the upstream server can't be reached", failure.message);
    case Kind::connect_timeout:
      return end(Outcome::upstream_timeout, 504, "the upstream server did not answer in time",
                 failure.message);
    case Kind::reset:
      return end(Outcome::upstream_reset, 502, "the upstream server closed the connection", failure.message);
    case Kind::invalid:
      return end(Outcome::upstream_invalid, 502, "the upstream server's answer is not valid HTTP",
                 failure.message);
  }
}

// Who found no place for its second try has failed by the first: a server may have begun work.
void Exchange::end_without_place(const std::string& why) {
  if (was_reset_)
    return end(Outcome::upstream_reset, 502, "the upstream server closed the connection",
               "the server closed the connection before its response, and then: " + why);
  end(Outcome::rejected, 503, "the server is overloaded; try again later", why);
}

void Exchange::server_done() {
  sent_anything_ = sent_anything_ || request_->sent_anything();
  server_done_ = proxy_.needs().scheduler.now();
  proxy_.needs().scheduler.defer([over = std::move(request_)] {});
}

// ---- The client leaves

void Exchange::on_half_close(MonoTime sign) {
  if (outcome_) return;  // it may still read our answer
  using HalfClose = config::OnDisconnect::HalfClose;
  const HalfClose policy = route_->on_disconnect.half_close;
  if (policy == HalfClose::wait || (policy == HalfClose::probe && stream_->probe())) return;
  bytes_out_ = stream_->body_bytes_sent();
  downstream::ClientStream* left = std::exchange(stream_, nullptr);
  client_left(sign);  // the server first: it is the one that works for nobody
  left->cut();
}

void Exchange::on_gone(MonoTime sign) {
  bytes_out_ = stream_->body_bytes_sent();
  stream_ = nullptr;
  if (outcome_) return close();
  client_left(sign);
}

void Exchange::client_left(MonoTime sign) {
  sign_ = sign;
  left_in_ = phase_;
  const config::OnDisconnect& policy = route_->on_disconnect;
  const bool finish = policy.upstream == config::OnDisconnect::Upstream::finish;
  const bool under_way = request_ && request_->sent_anything() && request_whole_;
  if (!request_ && response_ && policy.grace != Duration::zero()) finished_without_client_ = true;
  if (!under_way || (!finish && policy.grace == Duration::zero())) return end(Outcome::client_gone);
  working_on_ = true;
  if (!finish) grace_deadline_ = sign + policy.grace;
  request_->pause_response(false);
  if (phase_ == Phase::streaming_response) wait_at_most(timeouts().idle);
  update_timer();
}

// ---- Time

void Exchange::wait_at_most(Duration limit) {
  phase_deadline_ = proxy_.needs().scheduler.recent() + limit;
  update_timer();
}

void Exchange::wait_for_ever() {
  phase_deadline_.reset();
  update_timer();
}

void Exchange::update_timer() {
  MonoTime next = MonoTime::max();
  for (const auto& deadline : {phase_deadline_, total_deadline_, grace_deadline_, heartbeat_due_}) {
    if (deadline) next = std::min(next, *deadline);
  }
  if (next == MonoTime::max()) {
    timer_->cancel();
  } else {
    timer_->set(next);
  }
}

void Exchange::on_timer() {
  const MonoTime now = proxy_.needs().scheduler.now();
  const auto passed = [now](OptionalTime deadline) { return deadline && *deadline <= now; };
  if (outcome_) return;
  if (working_on_ && (passed(grace_deadline_) || passed(total_deadline_) || passed(phase_deadline_))) {
    return end(Outcome::client_gone);
  }
  if (passed(total_deadline_)) {
    return end(Outcome::deadline, 504, "the request took longer than it may",
               "the exchange's total time ran out");
  }
  if (passed(heartbeat_due_)) heartbeat();
  if (!passed(phase_deadline_)) return update_timer();
  switch (phase_) {
    case Phase::queued:
      return end_without_place("no connection to the upstream came free in time");
    case Phase::connecting:
      phase_deadline_.reset();
      return request_->give_up_connecting();
    default:
      if (waits_for_room() && *extra_->request_taken != request_->acknowledged()) return wait_for_room();
      if (request_ && !response_) request_->head_is_overdue();
      return end(Outcome::upstream_timeout, 504, "the upstream server did not answer in time",
                 waits_for_room() ? "the server took nothing of the request for too long"
                 : phase_ == Phase::sending_request || phase_ == Phase::awaiting_response
                     ? "no response head came in time"
                 : phase_ == Phase::tunnel ? "nothing came through the tunnel for too long"
                                           : "no byte of the response came for too long");
  }
}

void Exchange::transition(Phase next) {
  if ((followers[static_cast<std::size_t>(phase_)] & bit(next)) == 0) {
    proxy_.needs().log.critical("exchange {}: {} can't follow {}", id_, to_string(next), to_string(phase_));
    std::abort();
  }
  SPDLOG_LOGGER_DEBUG(&proxy_.needs().log, "exchange {}: {} -> {}", id_, to_string(phase_), to_string(next));
  phase_ = next;
  end_wait_for_room();
  if (in_flight_ != InFlightJournal::none) proxy_.needs().journal->set_phase(in_flight_, next);
}

// ---- The journal

void Exchange::enter_journal() {
  if (proxy_.needs().journal == nullptr || !plan_->snapshot.wanted()) return;
  if (in_flight_ != InFlightJournal::none) return renew_journal();  // a retry: at another server
  in_flight_ = proxy_.needs().journal->enter(snapshot());
  if (in_flight_ != InFlightJournal::none) proxy_.needs().journal->set_phase(in_flight_, phase_);
}

void Exchange::renew_journal() {
  journal_stale_ = false;
  if (in_flight_ != InFlightJournal::none)
    in_flight_ = proxy_.needs().journal->replace(in_flight_, snapshot());
}

void Exchange::renew_stale_journal() {
  if (journal_stale_) renew_journal();
}

// Before anything of it goes to the client, or, when nothing goes, at the end of this turn of the loop. What
// came with the whole response is noted only if that does not go at once: else the exchange ends.
void Exchange::renew_journal_soon() {
  if (in_flight_ == InFlightJournal::none || std::exchange(journal_stale_, true)) return;
  proxy_.needs().scheduler.defer([this] {  // what destroys us comes later in the same queue
    if (!server_done_) renew_stale_journal();
  });
}

void Exchange::leave_journal() {
  if (in_flight_ != InFlightJournal::none)
    proxy_.needs().journal->leave(std::exchange(in_flight_, InFlightJournal::none));
}

void Exchange::on_finishing(bool finishing) {
  if (!finishing) renew_stale_journal();
  if (in_flight_ != InFlightJournal::none) proxy_.needs().journal->set_finishing(in_flight_, finishing);
}

std::string_view Exchange::snapshot() const {
  std::string& scratch = proxy_.scratch();
  scratch.clear();
  plan_->snapshot.append(scratch, variables(), id_, started_wall_, worked_at().address);
  return scratch;
}

// ---- The end

// Decides the outcome, once: stops the upstream, calls the cleanup, tells the client. `message` is for the
// client, `detail` for the log.
void Exchange::end(Outcome outcome, int status, std::string_view message, std::string_view detail) {
  if (outcome_) return;
  outcome_ = outcome;
  if (!detail.empty()) extra().error = detail;
  if (outcome != Outcome::client_gone) left_in_ = phase_;
  if (timer_) timer_->cancel();
  if (request_) {
    sent_anything_ = sent_anything_ || request_->sent_anything();
    request_->abort();
    server_done_ = proxy_.needs().scheduler.now();
    if (sign_) extra().abort_took = *server_done_ - *sign_;
    proxy_.needs().scheduler.defer([over = std::move(request_)] {});
  }
  if (outcome == Outcome::client_gone && !first_byte_) status_ = 499;
  if (stream_ == nullptr) {
    // Where many leave at once, each server hears of it before the first cleanup is made. Until then the
    // journal knows what is owed.
    if (outcome == Outcome::completed || in_flight_ == cleanup::InFlightJournal::none) return settle();
    return proxy_.settle_soon(*this);
  }
  call_cleanup();
  leave_journal();
  if (!first_byte_ && status != 0) return reply(status, message);
  bytes_out_ = std::exchange(stream_, nullptr)->cut();  // visibly short
  close();
}

void Exchange::settle() {
  call_cleanup();
  leave_journal();
  close();
}

void Exchange::call_cleanup() {
  if (!is_let_in_) return;  // who is not let in must not stop anybody's work
  if (route_->on_disconnect.cleanups.empty() || !route_->cleanup_on.contains(*outcome_)) return;
  if (!sent_anything_ && harmless_before_sending.contains(*outcome_)) {
    return skip_cleanups(observe::Skip::nothing_sent, "nothing was sent upstream");
  }
  if (finished_without_client_ && route_->on_disconnect.upstream == config::OnDisconnect::Upstream::abort) {
    return skip_cleanups(observe::Skip::finished_within_grace, "finished within grace");
  }
  cleanup::Owed owed = cleanup::render_all(*route_, worked_at(), variables(), id_,
                                           proxy_.needs().scheduler.wall(), upstream_->addresses());
  for (const cleanup::Delivery& delivery : owed.deliveries) extra().cleanup_ids.push_back(delivery.id);
  if (!owed.skipped.empty()) extra().cleanup_skipped = std::move(owed.skipped);
  for (const std::size_t index : owed.skipped_cleanups) plan_->skips[index]->add(observe::Skip::no_value);
  if (!owed.deliveries.empty()) proxy_.needs().outbox.add(std::move(owed.deliveries));
}

void Exchange::skip_cleanups(observe::Skip why, std::string_view reason) {
  extra().cleanup_skipped = reason;
  for (observe::SkipCounts* skips : plan_->skips) skips->add(why);
}

Exchange::Extra& Exchange::extra() {
  if (!extra_) extra_ = std::make_unique<Extra>();
  return *extra_;
}

std::chrono::seconds Exchange::come_back_after() const {
  const bool overloaded = outcome_ == Outcome::rejected && upstream_ != nullptr;
  if (!overloaded) return std::chrono::seconds(1);
  return std::chrono::ceil<std::chrono::seconds>(upstream_->config().connections.retry_after);
}

void Exchange::reply(int status, std::string_view message) {
  status_ = status;
  first_byte_ = proxy_.needs().scheduler.now();
  const ErrorReply reply = make_error_reply(status, message, request_id(), head_.fields);
  const std::string allow = extra_ ? join(extra_->allowed_methods) : std::string();
  std::vector<http::Field>& fields = proxy_.fields();
  fields.assign(
      {{"Date", proxy_.date()}, {"Content-Type", reply.content_type}, {"X-Request-Id", request_id()}});
  if (!allow.empty()) fields.push_back({"Allow", allow});
  if (extra_ && !extra_->challenge.empty()) fields.push_back({"WWW-Authenticate", extra_->challenge});
  const std::string retry_after = status == 503 ? std::to_string(come_back_after().count()) : std::string();
  if (!retry_after.empty()) fields.push_back({"Retry-After", retry_after});
  const bool head_only = head_.method == "HEAD";
  stream_->send_head(
      {.status = status,
       .reason = {},
       .fields = fields,
       .body = head_only ? http::Framing::no_body() : http::Framing::of_length(reply.body.size()),
       .content_length = reply.body.size(),
       .ends_request = true});
  bytes_out_ = head_only ? 0 : reply.body.size();
  if (!stream_->send_body(head_only ? std::string_view() : reply.body, true)) return;  // on_sent()
  stream_ = nullptr;
  close();
}

void Exchange::close() {
  if (std::exchange(closed_, true)) return;
  const MonoTime now = proxy_.needs().scheduler.now();
  observe::AccessRecord record;
  record.start = started_wall_;
  record.request_id = request_id();
  record.trace_id = trace_.id();
  record.request = &head_;
  record.client_ip = origin_.ip;
  record.client_port = origin_.port;
  if (origin_.ip != client_info_->ip) {
    record.peer_ip = client_info_->ip;
    record.peer_port = client_info_->port;
  }
  record.user = user_;
  record.tls_version = client_info_->tls_version;
  record.tls_cipher = client_info_->tls_cipher;
  record.method = head_.method;
  record.host = head_.host;
  record.path = head_.path;
  if (route_ != nullptr) record.route = route_->name;
  record.status = status_;
  record.outcome = *outcome_;
  record.phase = left_in_;
  record.bytes_in = bytes_in_;
  record.bytes_out = bytes_out_;
  record.duration = now - started_;
  if (first_byte_) record.first_byte = *first_byte_ - started_;
  if (server_ != nullptr) record.upstream = server_->url;
  if (server_chosen_) record.upstream_duration = server_done_.value_or(now) - *server_chosen_;
  if (extra_) {
    record.tried = extra_->tried;
    record.abort = extra_->abort_took;
    record.cleanup_ids = extra_->cleanup_ids;
    record.cleanup_skipped = extra_->cleanup_skipped;
    record.error = extra_->error;
  }
  proxy_.record(route_, record);
  proxy_.remove(*this);
}

InFlight Exchange::in_flight() const {
  const bool is_v6 = origin_.ip.contains(':');
  std::string client = is_v6 ? '[' + origin_.ip + ']' : origin_.ip;
  if (origin_.port != 0) client.append(":").append(std::to_string(origin_.port));
  return {.request_id = std::string(request_id()),
          .route = route_ == nullptr ? std::string() : route_->name,
          .client = std::move(client),
          .method = std::string(head_.method),
          .host = std::string(head_.host),
          .path = std::string(head_.path),
          .upstream = server_ == nullptr ? std::string() : server_->url,
          .phase = phase_,
          .client_is_gone = working_on_,
          .age = proxy_.needs().scheduler.now() - started_};
}

ExchangeVariables Exchange::variables() const {
  ExchangeVariables variables;
  variables.request_id = request_id();
  variables.trace_id = trace_.id();
  variables.trace_parent = trace_.parent();
  variables.request = &head_;
  variables.captures = &captures_;
  variables.client = client_info_.get();
  variables.subject_headers = proxy_.needs().config->client_subject_headers;
  variables.origin = &origin_;
  variables.user = user_;
  variables.response = response_.get();
  variables.status = response_ ? response_->status : 0;
  variables.request_json = request_json_.get();
  variables.response_json = response_json_.get();
  if (route_ != nullptr) variables.route = route_->name;
  if (worked_at().server != nullptr) variables.server = worked_at().server->url;
  if (outcome_) {
    variables.outcome = to_string(*outcome_);
    variables.phase = to_string(left_in_);
  }
  variables.clock = &proxy_.needs().scheduler;
  return variables;
}

}  // namespace hangup::proxy
