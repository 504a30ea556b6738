// An exchange's response on its way to the client.
#include "proxy/body_planting.h"
#include "proxy/exchange.h"
#include "proxy/forwarding.h"
#include "proxy/route_plan.h"
#include "proxy/variables.h"

#include <charconv>
#include <utility>

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
  forward_interim_fields(fields, head);
  stream_->send_interim(head.status, fields);
}

void Exchange::on_response_head(http::ResponseHead head) {
  response_ = std::move(head);
  planting_.reset();  // nothing is sent again
  transition(Phase::streaming_response);
  wait_at_most(timeouts().idle);
  if (!plan_->response_json.empty() && json_in(response_->fields) != JsonIn::nothing)
    response_json_ = std::make_unique<JsonCapture>(plan_->response_json, json_in(response_->fields));
  if (plan_->snapshot.names_response()) renew_journal();
  if (stream_ == nullptr) {
    if (response_->status == 101) end(Outcome::client_gone);  // nobody is there to go on with
    return;
  }
  status_ = response_->status;
  first_byte_ = proxy_.needs().scheduler.now();
  std::vector<http::Field>& fields = proxy_.fields();
  fields.clear();
  RenderedValues values;
  forward_response_fields(fields, values, *response_, route_->response, variables(),
                          proxy_.needs().scheduler.wall());
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
  if (switches) open_tunnel();
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
  // Before the client can act on it.
  if (response_json_ && response_json_->feed(data) && plan_->snapshot.names_response()) renew_journal();
  if (stream_ == nullptr) {  // the client has gone, and the work was to go on
    if (!last) return wait_at_most(timeouts().idle);
    finished_without_client_ = true;
    return end(Outcome::client_gone);
  }
  bytes_out_ += data.size();
  if (last) on_finishing(true);
  const bool taken = stream_->send_body(data, last, last ? trailers : http::Fields());
  if (last) {
    wait_for_ever();  // on_sent(), or the front end's write_idle
    if (!taken) return on_finishing(false);
    stream_ = nullptr;
    return end(Outcome::completed);
  }
  if (taken) return wait_at_most(idle_limit());
  request_->pause_response(true);
  wait_for_ever();  // the server waits for us, and we for the client, whom the front end watches
}

void Exchange::on_response_drained() {
  if (!request_ || (phase_ != Phase::streaming_response && phase_ != Phase::tunnel)) return;
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
    bytes_out_ = stream_->body_bytes_sent();
    std::exchange(stream_, nullptr)->cut();
    return close();
  }
  end(Outcome::client_timeout, 0, {}, "the client took nothing of the response for too long");
}

}  // namespace hangup::proxy
