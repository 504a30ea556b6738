#include "upstream/pool.h"

#include "upstream/pooled_request.h"

#include <algorithm>
#include <random>
#include <ranges>
#include <utility>

#include <hangup/net/socket.h>

namespace hangup::upstream {
namespace {

// Of one server, by one request: each may take the whole of timeouts.connect.
constexpr std::size_t most_addresses_tried = 3;

// For another worker to take what it is to have.
constexpr auto way_time = std::chrono::milliseconds(1);
// How often those who wait look by themselves, for what no event tells of: a server that is tried again
// because it was down for long enough.
constexpr auto look_again = std::chrono::seconds(1);
// Requests at the front of the queue that can't use what is free, for those behind them that can.
constexpr std::size_t most_passed_over = 64;

bool sends_again(const config::Upstream& config) {
  const config::Retries& retries = config.retries;
  return config.servers.size() > 1 && retries.attempts > 0 &&
         (retries.reset_before_head || !retries.statuses.empty());
}

}  // namespace

Pool::Pool(net::EventLoop& loop, std::shared_ptr<SharedUpstream> shared)
    : loop_(loop),
      shared_(std::move(shared)),
      counts_(shared_->count_requests()),
      idle_(shared_->config().servers.size()),
      peers_(shared_->config().servers.size()),
      tls_version_(shared_->tls_version()),
      addresses_version_(shared_->addresses().version()),
      address_turns_(shared_->config().servers.size()),
      addresses_failed_(shared_->config().servers.size()),
      balancer_(*shared_, shared_->next_pool(), std::random_device()()),
      retries_anything_(sends_again(shared_->config())),
      idle_timer_(loop.make_timer([this] { close_expired(); })),
      queue_timer_(loop.make_timer([this] { look_after_queue(); })) {
  addresses_ = shared_->addresses().all();
  worker_ = shared_->add_worker([this, alive = std::weak_ptr(alive_)] {
    loop_.post([this, alive] {
      if (alive.expired()) return;
      follow_reload();
      follow_names();
      give_up_idle();
      serve_queue();
    });
  });
}

Pool::~Pool() {
  shared_->remove_worker(worker_);
  for (Connections& idle : idle_) {
    while (!idle.empty()) idle.back()->close();  // other workers may still have use for its place
  }
}

std::unique_ptr<ServerRequest> Pool::request(ServerObserver& observer, Tries& tries,
                                             const RequestOptions& options) {
  if (retries_anything_ && tries.failed.empty() && !options.fresh)
    shared_->retry_budget().request(loop_.recent());
  return std::make_unique<PooledRequest>(*this, *shared_, observer, tries, options);
}

bool Pool::may_retry(Tries& tries, RetryCause cause, int status) {
  const config::Retries& retries = config().retries;
  const bool wanted = cause == RetryCause::connect ? retries.connect
                      : cause == RetryCause::reset
                          ? retries.reset_before_head
                          : std::ranges::find(retries.statuses, status) != retries.statuses.end();
  if (!wanted || tries.further >= retries.attempts) return false;
  // In place of a server's own answer only one that is likely to be better.
  const auto is_left = [&](std::size_t server) {
    return config().servers[server].weight > 0 && !tried(tries, server) &&
           (cause != RetryCause::status || shared_->is_up(server, loop_.recent()));
  };
  if (std::ranges::none_of(std::views::iota(std::size_t{0}, config().servers.size()), is_left)) return false;
  if (cause != RetryCause::connect && !shared_->retry_budget().take(loop_.recent())) {
    counts_.over_budget.add();
    return false;
  }
  ++tries.further;
  counts_.retries[static_cast<std::size_t>(cause)].add();
  return true;
}

// ---- Finding a connection

Pool::Found Pool::choose(const PooledRequest& request, bool idle_only, Choice& choice) {
  if (request.given_up()) return Found::none_left;
  bool any_left = false;
  bool any_up_left = false;
  const MonoTime now = loop_.recent();
  balancer_.begin(request.key(), now);
  while (const auto next = balancer_.next()) {
    const std::size_t server = *next;
    if (request.passes_by(server)) continue;
    Http1Connection* idle = request.fresh() || idle_[server].empty() ? nullptr : idle_[server].front().get();
    if (idle == nullptr && idle_only) continue;
    const bool up = shared_->is_up(server, now);
    if (any_up_left && !up) break;  // rather than to one that is down it waits for one that is full
    any_up_left = any_up_left || up;
    any_left = true;
    if (idle == nullptr && !shared_->try_open(server)) continue;
    balancer_.take();
    choice = {server, idle};
    return Found::connection;
  }
  return any_left ? Found::none_free : Found::none_left;
}

Pool::Found Pool::find_connection(PooledRequest& request) {
  follow_reload();  // its wake-up may still be on its way
  follow_names();
  Choice choice;
  bool left_queue = false;
  for (;;) {
    const Found found = choose(request, request.none_can_be_opened(), choice);
    // The only one that was free can't be connected to: the request waits for another again.
    if (found == Found::none_free) return left_queue && !enqueue(request) ? Found::none_left : found;
    if (request.queued) {
      leave_queue(request);
      left_queue = true;
    }
    if (found == Found::none_left || use(choice, request)) return found;
  }
}

// False when the server can't even be tried; the request knows.
bool Pool::use(const Choice& choice, PooledRequest& request) {
  if (choice.idle != nullptr) {
    Connections& idle = idle_[choice.server];
    busy_.splice(busy_.begin(), idle, choice.idle->self);
    choice.idle->pooled = false;
    shared_->no_longer_kept(choice.server);
    choice.idle->attach(request, request.method());
    request.on_found(*choice.idle, true);
    return true;
  }
  request.on_connecting(choice.server);
  const auto address = next_address(choice.server);
  if (!address) {
    shared_->closed(choice.server);
    request.on_unreachable(
        choice.server,
        {Failure::Kind::unreachable, config().servers[choice.server].url + " could not be looked up", false});
    return false;
  }
  auto socket = net::start_connect(*address);
  if (!socket) {
    shared_->closed(choice.server);
    if (socket.error().ours) {
      request.on_none_can_be_opened({Failure::Kind::overloaded, std::move(socket.error().message), false});
    } else {
      address_failed(choice.server, address.get());
      request.on_unreachable(choice.server,
                             {Failure::Kind::unreachable, std::move(socket.error().message), false});
    }
    return false;
  }
  auto peer = this->peer(choice.server);
  busy_.push_front(std::make_unique<Http1Connection>(*this, choice.server, std::move(*socket),
                                                     std::move(peer), request, request.method()));
  busy_.front()->self = busy_.begin();
  busy_.front()->tls_version = tls_version_;
  if (config().servers[choice.server].name) busy_.front()->address = address;
  request.on_found(*busy_.front(), false);
  return true;
}

std::shared_ptr<net::TlsPeer> Pool::peer(std::size_t server) {
  const config::Server& to = config().servers[server];
  if (!to.https) return nullptr;
  if (!peers_[server]) peers_[server] = std::make_shared<net::TlsPeer>(shared_->tls(), to.tls_name);
  return peers_[server];
}

void Pool::follow_reload() {
  const unsigned version = shared_->tls_version();
  if (std::exchange(tls_version_, version) == version) return;
  for (std::size_t server = 0; server < peers_.size(); ++server) {
    peers_[server].reset();
    if (!config().servers[server].https) continue;
    while (!idle_[server].empty()) idle_[server].back()->close();
  }
}

void Pool::follow_names() {
  const unsigned version = shared_->addresses().version();
  if (std::exchange(addresses_version_, version) == version) return;
  addresses_ = shared_->addresses().all();
  for (auto& failed : addresses_failed_) failed.clear();
  for (Connections& idle : idle_) {
    for (auto each = idle.begin(); each != idle.end();) {
      Http1Connection& connection = **each++;
      if (!leads_to_server(connection)) connection.close();
    }
  }
}

bool Pool::leads_to_server(const Http1Connection& connection) const {
  return connection.address == nullptr ||
         std::ranges::find(*addresses_[connection.server()], *connection.address) !=
             addresses_[connection.server()]->end();
}

std::shared_ptr<const SocketAddress> Pool::next_address(std::size_t server) {
  const Addresses::List& list = addresses_[server];
  if (list->empty()) return nullptr;
  const auto& failed = addresses_failed_[server];
  const auto next = [&] { return address_turns_[server]++ % list->size(); };
  std::size_t place = next();
  if (!failed.empty()) {
    const MonoTime now = loop_.recent();
    for (std::size_t passed = 1; passed < list->size() && now < failed[place]; ++passed) place = next();
  }
  return {list, &(*list)[place]};
}

void Pool::address_failed(std::size_t server, const SocketAddress* address) {
  const Addresses::List& list = addresses_[server];
  if (address == nullptr || list->size() < 2) return;
  const auto found = std::ranges::find(*list, *address);
  if (found == list->end()) return;
  auto& failed = addresses_failed_[server];
  failed.resize(list->size());
  failed[static_cast<std::size_t>(found - list->begin())] = loop_.recent() + SharedUpstream::down_for;
}

bool Pool::tried(const Tries& tries, std::size_t server) const {
  const std::size_t most = std::clamp<std::size_t>(addresses_[server]->size(), 1, most_addresses_tried);
  return !tries.failed.empty() && tries.failed[server] >= most;
}

bool Pool::enqueue(PooledRequest& request) {
  if (!shared_->try_queue()) return false;
  if (queue_.empty() && !gives_way_) queue_timer_->set(loop_.recent() + look_again);
  request.queue_position = queue_.insert(queue_.end(), &request);
  request.queued = true;
  ++request.times_queued;
  return true;
}

void Pool::leave_queue(PooledRequest& request) {
  queue_.erase(request.queue_position);
  request.queued = false;
  shared_->left_queue();
}

void Pool::serve_queue() {
  std::size_t passed_over = 0;
  while (!gives_way_ && passed_over < std::min(queue_.size(), most_passed_over)) {
    PooledRequest& next = **std::next(queue_.begin(), static_cast<std::ptrdiff_t>(passed_over));
    const unsigned times_queued = next.times_queued;
    switch (find_connection(next)) {
      case Found::connection:
        break;
      case Found::none_free:
        if (next.times_queued != times_queued) {
          next.on_queued_again();
        } else {
          ++passed_over;
        }
        if (!anything_free()) return;
        break;
      case Found::none_left:
        next.on_none_left();
        break;
    }
  }
}

bool Pool::anything_free() const {
  for (std::size_t server = 0; server < idle_.size(); ++server) {
    if (!idle_[server].empty() || shared_->has_room(server)) return true;
  }
  return false;
}

// By turns, while requests wait here as well: a worker whose queue is never empty would keep everything.
bool Pool::is_for_others() {
  if (shared_->waiting() <= queue_.size()) return false;
  others_turn_ = queue_.empty() || !others_turn_;
  return others_turn_;
}

// We are awake, and would always be first.
void Pool::give_way() {
  gives_way_ = true;
  queue_timer_->set(loop_.recent() + way_time);
}

void Pool::look_after_queue() {
  gives_way_ = false;
  serve_queue();
  if (queue_.empty()) return;
  if (shared_->anything_idle()) shared_->wake_workers();
  queue_timer_->set(loop_.recent() + look_again);
}

// ---- Connections that come free

void Pool::on_reusable(Http1Connection& connection) {
  const std::size_t server = connection.server();
  if (connection.tls_version != shared_->tls_version()) return connection.close();
  follow_names();
  if (!leads_to_server(connection)) return connection.close();
  const bool for_others = is_for_others();
  if (for_others) give_way();
  if (for_others || !shared_->try_keep(server)) return connection.close();
  const bool first = std::ranges::all_of(idle_, &Connections::empty);
  connection.idle_since = loop_.recent();
  connection.pooled = true;
  idle_[server].splice(idle_[server].begin(), busy_, connection.self);
  if (first) idle_timer_->set(connection.idle_since + config().connections.idle);
  serve_queue();
}

void Pool::on_closed(Http1Connection& connection) {
  const std::size_t server = connection.server();
  Connections& from = connection.pooled ? idle_[server] : busy_;
  if (connection.pooled) {
    shared_->no_longer_kept(server);
  } else if (!gives_way_ && is_for_others()) {
    give_way();
  }
  const auto self = connection.self;
  loop_.defer([gone = std::move(*self)] {});
  from.erase(self);
  shared_->closed(server);  // wakes those who wait, us too
}

// Another worker's request waits while connections that count against the maximum do nothing here.
void Pool::give_up_idle() {
  if (!queue_.empty() || !shared_->anybody_waits()) return;
  for (Connections& idle : idle_) {
    if (!idle.empty()) idle.back()->close();
  }
}

void Pool::close_expired() {
  const MonoTime now = loop_.now();
  const Duration limit = config().connections.idle;
  MonoTime next = MonoTime::max();
  for (Connections& idle : idle_) {
    while (!idle.empty() && idle.back()->idle_since + limit <= now) idle.back()->close();
    if (!idle.empty()) next = std::min(next, idle.back()->idle_since + limit);
  }
  if (next != MonoTime::max()) idle_timer_->set(next);
}

std::unique_ptr<Upstream> make_upstream(net::EventLoop& loop, std::shared_ptr<SharedUpstream> shared) {
  return std::make_unique<Pool>(loop, std::move(shared));
}

}  // namespace hangup::upstream
