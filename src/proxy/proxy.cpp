#include "proxy/access.h"
#include "proxy/exchange.h"
#include "proxy/forwarding.h"
#include "proxy/route_plan.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <chrono>
#include <ranges>
#include <string>
#include <utility>

#include <hangup/proxy/proxy.h>

namespace hangup::proxy {
namespace {

// Failed arrivals that are logged in a second, by each worker.
constexpr unsigned said_a_second = 10;
// Of the exchanges that wait to settle, those that do in one turn of the loop: so many, or this share if it
// is more, so that a worker that is never idle falls behind by no more than a few turns.
constexpr std::size_t settle_at_least = 32;
constexpr std::size_t settle_share = 16;
// Where clients leave turn after turn, none settles for so long: the servers hear of it first.
constexpr auto settle_patience = std::chrono::milliseconds(4);

std::string describe(const downstream::ClientInfo& client) {
  std::string out = "listener=" + client.listener->name + " client=" + client.ip;
  if (client.port != 0) out += " port=" + std::to_string(client.port);
  if (!client.peer.empty()) out += " by=\"" + client.peer + "\"";
  return out;
}

}  // namespace

Proxy::Proxy(Dependencies dependencies)
    : needs_(std::move(dependencies)),
      ids_(needs_.scheduler),
      access_(std::make_unique<Access>(needs_.config->auth ? &needs_.config->auth->tokens : nullptr)),
      guards_paths_(needs_.config->has_access_rules()),
      date_(&http_date),
      unrouted_(needs_.metrics.route("")),
      settle_timer_(needs_.scheduler.make_timer([this] { settle_some(); })) {
  for (const config::Route& route : needs_.config->routes) plans_.emplace_back(route, needs_.metrics);
}

Proxy::~Proxy() = default;

Exchange& Proxy::add(downstream::ClientStream& stream, http::RequestHead head) {
  exchanges_.push_front(std::make_unique<Exchange>(*this, stream, std::move(head)));
  exchanges_.front()->self = exchanges_.begin();
  needs_.metrics.began();
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
  needs_.metrics.ended_unbegun(unrouted_, record);
}

// Those who just left are of interest to nobody; what has failed may be a mistake of the configuration, or a
// client that is too old: an operator has to see it, but not so often that it drowns the rest.
void Proxy::on_not_arrived(const downstream::ClientInfo& client, const downstream::ArrivalFailure& failure) {
  spdlog::logger& log = needs_.log;
  if (failure.left) {
    if (log.should_log(spdlog::level::debug))
      log.debug("not connected {} because=\"{}\"", describe(client), failure.reason);
    return;
  }
  const MonoTime now = needs_.scheduler.now();
  if (now - second_begun_ >= std::chrono::seconds(1)) {
    if (left_unsaid_ > 0) log.info("{} more were not connected, which was not logged", left_unsaid_);
    second_begun_ = now;
    said_this_second_ = 0;
    left_unsaid_ = 0;
  }
  if (said_this_second_ == said_a_second) {
    ++left_unsaid_;
    return;
  }
  ++said_this_second_;
  log.info("not connected {} because=\"{}\"", describe(client), failure.reason);
}

const RoutePlan& Proxy::plan(const config::Route& route) const {
  return plans_[static_cast<std::size_t>(&route - needs_.config->routes.data())];
}

void Proxy::record(const config::Route* route, const observe::AccessRecord& record) {
  needs_.access_log.write(record);
  needs_.metrics.ended(route == nullptr ? unrouted_ : plan(*route).counts, record);
}

std::vector<InFlight> Proxy::oldest_in_flight(std::size_t most) const {
  std::vector<InFlight> oldest;
  oldest.reserve(std::min(most, exchanges_.size()));
  for (const auto& exchange : exchanges_ | std::views::reverse) {
    if (oldest.size() == most) break;
    oldest.push_back(exchange->in_flight());
  }
  return oldest;
}

void Proxy::shut_down() {
  for (auto next = exchanges_.begin(); next != exchanges_.end();) {
    Exchange& exchange = **next++;  // it may leave the list
    exchange.shut_down();
  }
  settle(to_settle_.size());
}

void Proxy::settle_soon(Exchange& exchange) {
  to_settle_.push_back(&exchange);
  more_left_ = to_settle_.size() > 1;
  if (more_left_) return;
  settle_by_ = needs_.scheduler.now() + settle_patience;
  settle_timer_->set(needs_.scheduler.now());
}

void Proxy::settle_some() {
  const MonoTime now = needs_.scheduler.now();
  if (!std::exchange(more_left_, false) || now >= settle_by_) {
    settle(std::max(settle_at_least, to_settle_.size() / settle_share));
    settle_by_ = now + settle_patience;
  }
  if (!to_settle_.empty()) settle_timer_->set(now);
}

void Proxy::settle(std::size_t most) {
  for (; most > 0 && !to_settle_.empty(); --most) {
    Exchange& exchange = *to_settle_.front();
    to_settle_.pop_front();
    exchange.settle();
  }
}

void Proxy::remove(Exchange& exchange) {
  const auto self = exchange.self;
  needs_.scheduler.defer([gone = std::move(*self)] {});
  exchanges_.erase(self);
}

}  // namespace hangup::proxy
