#include "proxy/access.h"
#include "proxy/exchange.h"
#include "proxy/route_plan.h"

#include <utility>

#include <hangup/proxy/proxy.h>

namespace hangup::proxy {

Proxy::Proxy(Dependencies dependencies)
    : needs_(std::move(dependencies)),
      ids_(needs_.scheduler),
      access_(std::make_unique<Access>(needs_.tokens)) {
  for (const config::Route& route : needs_.config->routes) plans_.emplace_back(route);
}

Proxy::~Proxy() = default;

Exchange& Proxy::add(downstream::ClientStream& stream, http::RequestHead head) {
  exchanges_.push_front(std::make_unique<Exchange>(*this, stream, std::move(head)));
  exchanges_.front()->self = exchanges_.begin();
  return *exchanges_.front();
}

void Proxy::on_request(downstream::ClientStream& stream, http::RequestHead head) {
  add(stream, std::move(head)).start();
}

void Proxy::on_refused(downstream::ClientStream& stream, http::RequestHead head,
                       const downstream::Refusal& refusal) {
  add(stream, std::move(head)).refuse(refusal);
}

// Nothing but a log line is left to do: no request came to be.
void Proxy::on_abandoned(const downstream::ClientInfo& client, MonoTime started) {
  const std::string id = new_id();
  observe::AccessRecord record;
  record.duration = needs_.scheduler.now() - started;
  record.start = needs_.scheduler.wall();
  record.request_id = id;
  record.client_ip = client.ip;
  record.client_port = client.port;
  record.status = 499;
  record.outcome = Outcome::client_gone;
  record.phase = Phase::reading_request;
  needs_.access_log.write(record);
}

const RoutePlan& Proxy::plan(const config::Route& route) const {
  return plans_[static_cast<std::size_t>(&route - needs_.config->routes.data())];
}

void Proxy::shut_down() {
  for (auto next = exchanges_.begin(); next != exchanges_.end();) {
    Exchange& exchange = **next++;  // it may leave the list
    exchange.shut_down();
  }
}

void Proxy::remove(Exchange& exchange) {
  const auto self = exchange.self;
  needs_.scheduler.defer([gone = std::move(*self)] {});
  exchanges_.erase(self);
}

}  // namespace hangup::proxy
