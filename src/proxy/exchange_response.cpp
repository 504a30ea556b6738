// An exchange's response on its way to the client.
#include "proxy/body_planting.h"
#include "proxy/exchange.h"
#include "proxy/forwarding.h"
#include "proxy/media_type.h"
#include "proxy/route_plan.h"
#include "proxy/variables.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <hangup/base/text.h>
#include <hangup/proxy/proxy.h>

namespace hangup::proxy {
namespace {

std::optional<std::uint64_t> content_length(const http::ResponseHead& head) {
  const auto text = head.fields.find("content-length");
  std::uint64_t length = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), length).ec != std::errc{})
    return std::nullopt;
  return length;
}

}  // namespace

void Exchange::on_interim(const http::ResponseHead& head) {
  if (stream_ == nullptr) return;
  std::vector<http::Field>& fields = proxy_.fields();
  fields.clear();
  forward_interim_fields(fields, head, route_->response);
  interim_sent_ = true;
  stream_->send_interim(head.status, fields);
  if (head.status == 100 && phase_ == Phase::sending_request) wait_for_ever();  // for a slow client
}

void Exchange::on_response_head(http::ResponseHead head) {
  const auto& statuses = route_->upstream->retries.statuses;
  if (std::ranges::find(statuses, head.status) != statuses.end() &&
      may_retry(upstream::RetryCause::status, head.status)) {
    request_->abort();
    return retry(false);
  }
  response_ = std::make_unique<const http::ResponseHead>(std::move(head));
  planting_.reset();  // nothing is sent again
  transition(Phase::streaming_response);
  wait_at_most(timeouts().idle);
  if (!plan_->response_json.empty() && json_in(response_->fields) != JsonIn::nothing)
    response_json_ = std::make_unique<JsonCapture>(plan_->response_json, json_in(response_->fields));
  if (plan_->snapshot.names_response()) renew_journal_soon();
  if (stream_ == nullptr) {
    if (response_->status == 101) end(Outcome::client_gone);  // nobody is there to go on with
    return;
  }
  status_ = response_->status;
  first_byte_ = proxy_.needs().scheduler.now();
  std::vector<http::Field>& fields = proxy_.fields();
  fields.clear();
  RenderedValues values;
  forward_response_fields(fields, values, *response_, route_->response, variables(), proxy_.date());
  const bool switches = response_->status == 101;
  if (switches) {
    fields.push_back({"Connection", "Upgrade"});
    fields.push_back({"Upgrade", *http::upgrade_of(response_->fields)});
  }
  const bool bodiless = response_->framing.kind == http::Framing::Kind::none;
  stream_->send_head(
      {.status = response_->status,
       .reason = response_->reason,
       .fields = fields,
       .body = response_->framing,
       .content_length = bodiless && response_->status != 204 ? content_length(*response_) : std::nullopt});
  choose_heartbeat();
  if (heartbeat_due_) update_timer();
  if (switches) open_tunnel();
}

// ---- Heartbeats

// What can be sent in the gaps of this phase.
void Exchange::choose_heartbeat() {
  using Kind = config::Heartbeat::Kind;
  heartbeat_ = route_->heartbeat.kind;
  const bool before_head = heartbeat_ == Kind::keep_going || heartbeat_ == Kind::processing;
  if (before_head != !response_) heartbeat_ = Kind::off;
  if (response_ && heartbeat_ != Kind::off) {
    const bool lines = !is_encoded(response_->fields);
    const bool events = lines && equals_ignoring_case(media_type(response_->fields), "text/event-stream");
    const bool open_ended = response_->framing.kind == http::Framing::Kind::chunked ||
                            response_->framing.kind == http::Framing::Kind::until_close;
    if (heartbeat_ == Kind::automatic) heartbeat_ = events ? Kind::comment : Kind::chunk;
    const bool fits = open_ended && response_->status != 101 && (heartbeat_ != Kind::comment || events) &&
                      (heartbeat_ != Kind::newline || lines);
    if (!fits) heartbeat_ = Kind::off;
  }
  heartbeat_due_.reset();
  if (heartbeat_ != Kind::off) heartbeat_due_ = proxy_.needs().scheduler.recent() + route_->heartbeat.every;
}

void Exchange::sent_to_client(std::string_view data) {
  if (heartbeat_ == config::Heartbeat::Kind::off) return;
  if (!data.empty()) at_line_start_ = data.back() == '\n';
  heartbeat_due_ = proxy_.needs().scheduler.recent() + route_->heartbeat.every;
}

void Exchange::heartbeat() {
  using Kind = config::Heartbeat::Kind;
  heartbeat_due_ = proxy_.needs().scheduler.recent() + route_->heartbeat.every;
  if (stream_ == nullptr) return heartbeat_due_.reset();
  if (response_paused_) return;  // what waits for the client is one by itself
  std::string_view line;
  switch (heartbeat_) {
    case Kind::keep_going:
    case Kind::processing:
      return stream_->send_interim(heartbeat_ == Kind::keep_going ? 100 : 102, {});
    case Kind::chunk:
      return stream_->send_leading_zero();
    case Kind::comment:
      line = ":\n";
      break;
    case Kind::newline:
      line = "\n";
      break;
    case Kind::automatic:
    case Kind::off:
      return;
  }
  if (at_line_start_ && !stream_->send_body(line, false)) pause_response();
}

// From here on nothing but its idle time ends it from our side.
void Exchange::open_tunnel() {
  transition(Phase::tunnel);
  request_whole_ = false;
  total_deadline_.reset();
  wait_at_most(timeouts().tunnel);
  stream_->pause_request(false);
}

void Exchange::on_response_body(std::string_view data, bool last, const http::Fields& trailers) {
  if (last) server_done();
  if (response_json_ && response_json_->feed(data) && plan_->snapshot.names_response()) renew_journal_soon();
  if (!last) renew_stale_journal();  // before the client can act on it
  if (stream_ == nullptr) {          // the client has gone, and the work was to go on
    if (!last) return wait_at_most(timeouts().idle);
    finished_without_client_ = true;
    return end(Outcome::client_gone);
  }
  bytes_out_ += data.size();
  sent_to_client(data);
  const bool taken =
      stream_->send_body(data, last, last ? forwarded_trailers(trailers, route_->response) : http::Fields());
  if (last) {
    heartbeat_due_.reset();  // behind its end there is nothing of the response
    wait_for_ever();         // on_sent(), or the front end's write_idle
    if (!taken) return;
    stream_ = nullptr;
    return end(Outcome::completed);
  }
  if (taken) return wait_at_most(idle_limit());
  pause_response();
}

// The server waits for us, and we for the client, whom the front end watches.
void Exchange::pause_response() {
  response_paused_ = true;
  request_->pause_response(true);
  wait_for_ever();
}

void Exchange::on_response_drained() {
  if (!request_ || !response_paused_) return;
  response_paused_ = false;
  request_->pause_response(false);
  wait_at_most(idle_limit());
}

void Exchange::on_sent() {
  stream_ = nullptr;
  if (outcome_) return close();  // an answer of hangup's own
  end(Outcome::completed);
}

void Exchange::on_response_timeout() {
  if (outcome_) {
    bytes_out_ = std::exchange(stream_, nullptr)->cut();
    return close();
  }
  if (!first_byte_) status_ = 408;  // that it took nothing of interim responses is no use telling it
  end(Outcome::client_timeout, 0, {}, "the client took nothing of the response for too long");
}

}  // namespace hangup::proxy
