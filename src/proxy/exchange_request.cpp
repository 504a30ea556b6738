// An exchange's request on its way to a server.
#include "proxy/body_planting.h"
#include "proxy/exchange.h"
#include "proxy/forwarding.h"
#include "proxy/route_plan.h"
#include "proxy/variables.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include <hangup/base/text.h>
#include <hangup/proxy/proxy.h>

namespace hangup::proxy {

void Exchange::on_connected(const config::Server& server) {
  server_chosen(server);
  transition(Phase::sending_request);
  wait_for_ever();
  const bool taken = send_request();
  if (outcome_) return;
  if (request_whole_) {
    transition(Phase::awaiting_response);
    wait_at_most(timeouts().first_byte);
  } else if (taken) {
    // The server is to say whether it wants the body; else the front end watches a slow client.
    if (head_.expects_continue && !interim_sent_) wait_at_most(timeouts().first_byte);
    stream_->pause_request(false);
  } else {
    wait_for_room();
  }
}

// To send more of the request.
void Exchange::wait_for_room() {
  extra().request_taken = request_->acknowledged();
  wait_at_most(timeouts().idle);
}

void Exchange::end_wait_for_room() {
  if (extra_) extra_->request_taken.reset();
}

void Exchange::server_chosen(const config::Server& server) {
  if (server_ != nullptr && server_ != &server) extra().tried.push_back(server_->url);
  server_ = &server;
  if (!server_chosen_) server_chosen_ = proxy_.needs().scheduler.now();
}

// With what was kept of its body. As ServerRequest::send_body().
bool Exchange::send_request() {
  const config::Upstream& upstream = *route_->upstream;
  std::string_view host = head_.host;
  if (upstream.host_policy == config::Upstream::HostPolicy::literal) host = upstream.host;
  if (upstream.host_policy == config::Upstream::HostPolicy::server || host.empty()) host = server_->authority;

  std::vector<http::Field>& fields = proxy_.fields();
  fields.clear();
  RenderedValues values;
  sent_to_ = server_;
  if (sent_to_->name || worked_at().address != nullptr) extra().sent_to_address = request_->address();
  const ExchangeVariables known = variables();
  // A token of ours is no server's business unless the configuration says so.
  const bool authorization_goes_on = user_.empty() || proxy_.needs().config->auth->forward_authorization;
  const RequestContext context{.client = *client_info_,
                               .origin = origin_,
                               .subject_headers = proxy_.needs().config->client_subject_headers,
                               .request_id = request_id(),
                               .trace = trace_,
                               .host = host,
                               .keep_authorization = authorization_goes_on};
  forward_request_fields(fields, values, head_, context, route_->request, known);
  const std::string_view upgrade = upgrade_asked();
  if (!upgrade.empty()) {
    fields.push_back({"Connection", "Upgrade"});
    fields.push_back({"Upgrade", upgrade});
  }
  std::string target;
  const std::string_view to = forwarded_target(head_, route_->request, known, proxy_.guards_paths(), target);
  enter_journal();
  if (!planting_) {
    request_->send_head({head_.method, to, fields, head_.framing, upgrade});
    return true;
  }
  // The client was told to go on when its body was asked for.
  std::erase_if(fields, [](const http::Field& field) { return equals_ignoring_case(field.name, "expect"); });
  const bool trailers = request_whole_ && stream_ != nullptr && !stream_->trailers().empty();
  const bool reframed = planting_->edited() && !trailers;
  request_->send_head({head_.method, to, fields,
                       reframed ? http::Framing::of_length(planting_->body().size()) : head_.framing});
  const bool taken =
      request_->send_body(planting_->body(), request_whole_, trailers ? request_trailers() : http::Fields());
  if (!request_whole_) {
    body_forwarded_ = true;
    planting_.reset();
  }
  return taken;
}

// The protocol that the client wants to change to, where the route allows it; empty for none.
std::string_view Exchange::upgrade_asked() const {
  if (head_.version != http::Version::http11 || !head_.framing.empty()) return {};
  const auto protocol = http::upgrade_of(head_.fields);
  const auto is_it = [&](const std::string& allowed) { return equals_ignoring_case(*protocol, allowed); };
  return protocol && std::ranges::any_of(route_->upgrades, is_it) ? *protocol : std::string_view();
}

http::Fields Exchange::request_trailers() const {
  return forwarded_trailers(stream_->trailers(), route_->request,
                            proxy_.needs().config->client_subject_headers);
}

// Whether the body is kept, before a server is asked for, until it is whole and its fields are set.
bool Exchange::keep_request_body() {
  if (route_->request.set_json.empty()) return false;
  if (const auto obstacle = BodyPlanting::obstacle(head_, route_->request)) {
    body_left_alone(*obstacle);
    return false;
  }
  planting_ = std::make_unique<BodyPlanting>(route_->request);
  if (head_.expects_continue) stream_->send_interim(100, {});
  stream_->pause_request(false);
  return true;
}

void Exchange::keep_request_body(std::string_view data, bool last) {
  const bool fits = planting_->add(data);
  if (fits && !last) return;
  stream_->pause_request(true);
  if (const auto obstacle = planting_->plant(variables())) body_left_alone(*obstacle);
  request_server(false);
}

void Exchange::body_left_alone(std::string_view reason) {
  proxy_.needs().log.info("set_json left the request body as it is request_id={} route={} reason=\"{}\"",
                          request_id(), route_->name, reason);
}

void Exchange::on_request_body(std::string_view data, bool last) {
  bytes_in_ += data.size();
  request_whole_ = last;
  if (outcome_) return;
  if (request_json_ && request_json_->feed(data) && plan_->snapshot.names_request_json()) renew_journal();
  if (planting_ && !request_) return keep_request_body(data, last);
  if (!request_) return;  // answered before it was whole
  body_forwarded_ = true;
  const bool taken = request_->send_body(data, last, last ? request_trailers() : http::Fields());
  if (last && phase_ == Phase::sending_request) {
    transition(Phase::awaiting_response);
    wait_at_most(timeouts().first_byte);
  } else if (!taken && !last) {
    stream_->pause_request(true);
    if (phase_ == Phase::sending_request) wait_for_room();
  } else if (head_.expects_continue && phase_ == Phase::sending_request) {
    wait_for_ever();
  }
  // A byte either way counts.
  if (phase_ == Phase::tunnel || (phase_ == Phase::streaming_response && !response_paused_))
    wait_at_most(idle_limit());
}

void Exchange::on_request_drained() {
  end_wait_for_room();
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

}  // namespace hangup::proxy
