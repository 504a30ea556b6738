#include "proxy/exchange.h"

#include "proxy/error_reply.h"
#include "proxy/forwarding.h"
#include "proxy/variables.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <hangup/proxy/proxy.h>

namespace hangup::proxy {
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
        bit(Phase::queued) | bit(Phase::connecting),
    /* awaiting_response */ bit(Phase::streaming_response) | bit(Phase::queued) | bit(Phase::connecting),
    /* streaming_response */ bit(Phase::tunnel),
    /* tunnel */ 0,
};

// Outcomes by which nothing is owed while no server has seen a byte of the request.
constexpr OutcomeSet harmless_before_sending{Outcome::client_gone, Outcome::client_timeout, Outcome::deadline,
                                             Outcome::shutdown};

std::optional<std::uint64_t> content_length(const http::ResponseHead& head) {
  const auto text = head.fields.find("content-length");
  std::uint64_t length = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), length).ec != std::errc{})
    return std::nullopt;
  return length;
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
      id_(proxy.new_id()),
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
    allowed_methods_ = std::move(match.allowed_methods);
    if (allowed_methods_.empty())
      return end(Outcome::rejected, 404, "no route matches this request", "no route");
    return end(Outcome::rejected, 405, "this method is not allowed here", "no route for the method");
  }
  captures_ = std::move(match.captures);
  upstream_ = proxy_.needs().upstreams.at(route_->upstream.get());
  timer_ = proxy_.needs().scheduler.make_timer([this] { on_timer(); });
  if (timeouts().total != Duration::zero()) total_deadline_ = started_ + timeouts().total;
  update_timer();
  // A client that has gone already costs the upstream nothing.
  if (stream_->half_closed()) {
    on_half_close(proxy_.needs().scheduler.now());
    if (outcome_) return;
  }
  request_server(false);
}

void Exchange::refuse(const downstream::Refusal& refusal) {
  end(refusal.outcome, refusal.status, refusal.message, refusal.message);
}

void Exchange::shut_down() {
  if (outcome_ && stream_ != nullptr) {  // an answer of hangup's own that the client does not take
    std::exchange(stream_, nullptr)->cut();
    return close();
  }
  if (working_on_) return end(Outcome::client_gone);
  end(Outcome::shutdown, 503, "this server is shutting down", "the drain time ran out");
}

// ---- The request on its way to a server

void Exchange::request_server(bool fresh) {
  request_ = upstream_->request(*this, head_.method, fresh);
  request_->start();
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

void Exchange::on_connected(const config::Server& server) {
  server_chosen(server);
  transition(Phase::sending_request);
  wait_for_ever();
  send_request();
  if (outcome_) return;
  if (request_whole_) {
    transition(Phase::awaiting_response);
    wait_at_most(timeouts().first_byte);
  } else {
    stream_->pause_request(false);
  }
}

void Exchange::server_chosen(const config::Server& server) {
  server_ = &server;
  if (!server_chosen_) server_chosen_ = proxy_.needs().scheduler.now();
}

void Exchange::send_request() {
  const config::Upstream& upstream = *route_->upstream;
  std::string_view host = head_.host;
  if (upstream.host_policy == config::Upstream::HostPolicy::literal) host = upstream.host;
  if (upstream.host_policy == config::Upstream::HostPolicy::server || host.empty()) host = server_->authority;

  std::vector<http::Field>& fields = proxy_.fields();
  fields.clear();
  RenderedValues values;
  std::string target;
  forward_request_fields(fields, values, head_, client_info_, id_, host, route_->request, variables());
  request_->send_head({head_.method, forwarded_target(head_, target), fields, head_.framing});
}

void Exchange::on_request_body(std::string_view data, bool last) {
  bytes_in_ += data.size();
  request_whole_ = last;
  if (outcome_ || !request_) return;  // answered before it was whole
  body_forwarded_ = true;
  const bool taken = request_->send_body(data, last, last ? stream_->trailers() : http::Fields());
  if (last && phase_ == Phase::sending_request) {
    transition(Phase::awaiting_response);
    wait_at_most(timeouts().first_byte);
  } else if (!taken && !last) {
    stream_->pause_request(true);
    if (phase_ == Phase::sending_request) wait_at_most(timeouts().idle);
  }
}

void Exchange::on_request_drained() {
  if (outcome_ || request_whole_ || stream_ == nullptr) return;
  if (phase_ == Phase::sending_request) wait_for_ever();  // the front end watches a slow client
  stream_->pause_request(false);
}

void Exchange::on_request_invalid(const http::ParseError& error) {
  if (outcome_) return;
  end(Outcome::rejected, error.status, error.message, error.message);
}

void Exchange::on_request_timeout() {
  if (outcome_) return;
  end(Outcome::client_timeout, 408, "the request's body did not come in time",
      "no request body for too long");
}

// ---- The response on its way to the client

void Exchange::on_interim(const http::ResponseHead& head) {
  if (stream_ == nullptr) return;
  std::vector<http::Field>& fields = proxy_.fields();
  fields.clear();
  forward_interim_fields(fields, head);
  stream_->send_interim(head.status, fields);
}

void Exchange::on_response_head(http::ResponseHead head) {
  response_ = std::move(head);
  transition(Phase::streaming_response);
  wait_at_most(timeouts().idle);
  if (stream_ == nullptr) return;
  status_ = response_->status;
  first_byte_ = proxy_.needs().scheduler.now();
  std::vector<http::Field>& fields = proxy_.fields();
  fields.clear();
  RenderedValues values;
  forward_response_fields(fields, values, *response_, route_->response, variables(),
                          proxy_.needs().scheduler.wall());
  const bool bodiless = response_->framing.kind == http::Framing::Kind::none;
  stream_->send_head(
      {.status = response_->status,
       .reason = response_->reason,
       .fields = fields,
       .body = response_->framing,
       .content_length = bodiless && response_->status != 204 ? content_length(*response_) : std::nullopt});
}

void Exchange::on_response_body(std::string_view data, bool last, const http::Fields& trailers) {
  if (last) server_done();
  if (stream_ == nullptr) {  // the client has gone, and the work was to go on
    if (!last) return wait_at_most(timeouts().idle);
    finished_without_client_ = true;
    return end(Outcome::client_gone);
  }
  bytes_out_ += data.size();
  const bool taken = stream_->send_body(data, last, last ? trailers : http::Fields());
  if (last) {
    wait_for_ever();  // on_sent(), or the front end's write_idle
    if (!taken) return;
    stream_ = nullptr;
    return end(Outcome::completed);
  }
  if (taken) return wait_at_most(timeouts().idle);
  request_->pause_response(true);
  wait_for_ever();  // the server waits for us, and we for the client, whom the front end watches
}

void Exchange::on_response_drained() {
  if (!request_ || phase_ != Phase::streaming_response) return;
  request_->pause_response(false);
  wait_at_most(timeouts().idle);
}

void Exchange::on_sent() {
  stream_ = nullptr;
  if (outcome_) return close();  // an answer of hangup's own
  end(Outcome::completed);
}

void Exchange::on_response_timeout() {
  if (outcome_) {
    bytes_out_ = stream_->body_bytes_sent();
    std::exchange(stream_, nullptr)->cut();
    return close();
  }
  end(Outcome::client_timeout, 0, {}, "the client took nothing of the response for too long");
}

// ---- The server fails

bool Exchange::may_retry(const upstream::Failure& failure) const {
  if (!failure.stale_connection || retried_ || body_forwarded_ || response_) return false;
  return http::is_idempotent(head_.method) || !request_->sent_anything();
}

void Exchange::on_failed(const upstream::Failure& failure) {
  const bool retry = may_retry(failure);
  sent_anything_ = sent_anything_ || request_->sent_anything();
  proxy_.needs().scheduler.defer([over = std::move(request_)] {});  // it is calling us
  if (retry) {
    retried_ = true;
    return request_server(true);
  }
  server_done_ = proxy_.needs().scheduler.now();
  if (working_on_) return end(Outcome::client_gone, 0, {}, failure.message);
  using Kind = upstream::Failure::Kind;
  switch (failure.kind) {
    case Kind::overloaded:
      transition(Phase::queued);  // as far as it came
      return end(Outcome::rejected, 503, "the server is overloaded; try again later", failure.message);
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

void Exchange::server_done() {
  sent_anything_ = sent_anything_ || request_->sent_anything();
  server_done_ = proxy_.needs().scheduler.now();
  proxy_.needs().scheduler.defer([over = std::move(request_)] {});
}

// ---- The client leaves

void Exchange::on_half_close(MonoTime sign) {
  if (outcome_) return;  // it may still read our answer
  if (route_->on_disconnect.half_close == config::OnDisconnect::HalfClose::wait) return;
  bytes_out_ = stream_->body_bytes_sent();
  std::exchange(stream_, nullptr)->cut();
  client_left(sign);
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
  if (!under_way || (!finish && policy.grace == Duration::zero())) return end(Outcome::client_gone);
  working_on_ = true;
  if (!finish) grace_deadline_ = sign + policy.grace;
  request_->pause_response(false);
  if (phase_ == Phase::streaming_response) wait_at_most(timeouts().idle);
  update_timer();
}

// ---- Time

void Exchange::wait_at_most(Duration limit) {
  phase_deadline_ = proxy_.needs().scheduler.now() + limit;
  update_timer();
}

void Exchange::wait_for_ever() {
  phase_deadline_.reset();
  update_timer();
}

void Exchange::update_timer() {
  MonoTime next = MonoTime::max();
  for (const auto& deadline : {phase_deadline_, total_deadline_, grace_deadline_}) {
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
  const auto passed = [now](const std::optional<MonoTime>& deadline) { return deadline && *deadline <= now; };
  if (outcome_) return;
  if (working_on_ && (passed(grace_deadline_) || passed(total_deadline_) || passed(phase_deadline_))) {
    return end(Outcome::client_gone);
  }
  if (passed(total_deadline_)) {
    return end(Outcome::deadline, 504, "the request took longer than it may",
               "the exchange's total time ran out");
  }
  if (!passed(phase_deadline_)) return update_timer();
  switch (phase_) {
    case Phase::queued:
      return end(Outcome::rejected, 503, "the server is overloaded; try again later",
                 "no connection to the upstream came free in time");
    case Phase::connecting:
      phase_deadline_.reset();
      return request_->give_up_connecting();
    default:
      return end(Outcome::upstream_timeout, 504, "the upstream server did not answer in time",
                 phase_ == Phase::sending_request     ? "the server took nothing of the request for too long"
                 : phase_ == Phase::awaiting_response ? "no response head came in time"
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
}

// ---- The end

// Decides the outcome, once: stops the upstream, calls the cleanup, tells the client. `message` is for the
// client, `detail` for the log.
void Exchange::end(Outcome outcome, int status, std::string_view message, std::string_view detail) {
  if (outcome_) return;
  outcome_ = outcome;
  error_ = detail;
  if (outcome != Outcome::client_gone) left_in_ = phase_;
  if (timer_) timer_->cancel();
  if (request_) {
    sent_anything_ = sent_anything_ || request_->sent_anything();
    request_->abort();
    server_done_ = proxy_.needs().scheduler.now();
    if (sign_) abort_took_ = *server_done_ - *sign_;
    proxy_.needs().scheduler.defer([over = std::move(request_)] {});
  }
  if (outcome == Outcome::client_gone && !first_byte_) status_ = 499;
  call_cleanup();

  if (stream_ == nullptr) return close();
  if (first_byte_) {  // cut short, visibly
    bytes_out_ = stream_->body_bytes_sent();
    std::exchange(stream_, nullptr)->cut();
    return close();
  }
  reply(status, message);
}

void Exchange::call_cleanup() {
  if (route_ == nullptr || route_->on_disconnect.cleanups.empty() || !route_->cleanup_on.contains(*outcome_))
    return;
  if (!sent_anything_ && harmless_before_sending.contains(*outcome_)) {
    cleanup_skipped_ = "nothing was sent upstream";
    return;
  }
  if (finished_without_client_ && route_->on_disconnect.upstream == config::OnDisconnect::Upstream::abort) {
    cleanup_skipped_ = "finished within grace";
    return;
  }
  cleanup::Owed owed =
      cleanup::render_all(*route_, server_, variables(), id_, proxy_.needs().scheduler.wall());
  for (const cleanup::Delivery& delivery : owed.deliveries) cleanup_ids_.push_back(delivery.id);
  cleanup_skipped_ = std::move(owed.skipped);
  if (!owed.deliveries.empty()) proxy_.needs().outbox.add(std::move(owed.deliveries));
}

void Exchange::reply(int status, std::string_view message) {
  status_ = status;
  first_byte_ = proxy_.needs().scheduler.now();
  const ErrorReply reply = make_error_reply(status, message, id_, head_.fields);
  const std::string date = http_date(proxy_.needs().scheduler.wall());
  const std::string allow = join(allowed_methods_);
  std::vector<http::Field>& fields = proxy_.fields();
  fields.assign({{"Date", date}, {"Content-Type", reply.content_type}, {"X-Request-Id", id_}});
  if (!allow.empty()) fields.push_back({"Allow", allow});
  if (status == 503) fields.push_back({"Retry-After", "1"});
  const bool head_only = head_.method == "HEAD";
  stream_->send_head(
      {.status = status,
       .reason = {},
       .fields = fields,
       .body = head_only ? http::Framing::no_body() : http::Framing::of_length(reply.body.size()),
       .content_length = reply.body.size()});
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
  record.request_id = id_;
  record.client_ip = client_info_.ip;
  record.client_port = client_info_.port;
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
  record.abort = abort_took_;
  record.cleanup_ids = cleanup_ids_;
  record.cleanup_skipped = cleanup_skipped_;
  record.error = error_;
  proxy_.needs().access_log.write(record);
  proxy_.remove(*this);
}

ExchangeVariables Exchange::variables() const {
  ExchangeVariables variables;
  variables.request_id = id_;
  variables.request = &head_;
  variables.captures = &captures_;
  variables.client = &client_info_;
  variables.response = response_ ? &*response_ : nullptr;
  variables.status = response_ ? response_->status : 0;
  if (route_ != nullptr) variables.route = route_->name;
  if (server_ != nullptr) variables.server = server_->url;
  if (outcome_) {
    variables.outcome = to_string(*outcome_);
    variables.phase = to_string(left_in_);
  }
  variables.clock = &proxy_.needs().scheduler;
  return variables;
}

}  // namespace hangup::proxy
