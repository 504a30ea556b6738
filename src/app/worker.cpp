#include "app/worker.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace hangup::app {
namespace {

// How long a line of the access log may wait for others: handing each over by itself would wake the logger's
// thread for each.
constexpr auto flush_after = std::chrono::milliseconds(10);
// A loop that is stuck for longer than this is sure to be seen.
constexpr auto look_at_lag_every = std::chrono::milliseconds(250);

}  // namespace

Worker::Worker(const Shared& shared, std::shared_ptr<const Generation> generation, Sockets sockets)
    : outbox_(shared.outbox),
      log_(*shared.loggers.log),
      metrics_(shared.metrics.add()),
      access_log_(shared.loggers.access, generation->config->access_log),
      journal_(shared.outbox.make_journal()) {
  flush_timer_ = loop_.make_timer([this] {
    flush_due_ = false;
    access_log_.flush();
  });
  loop_.at_end_of_turn([this] { at_end_of_turn(); });
  take_up(std::move(generation), std::move(sockets));
}

Worker::~Worker() {
  stop();
}

// ---- Generations

Worker::Side Worker::make_side(std::shared_ptr<const Generation> generation) {
  Side side{.generation = std::move(generation), .pools = {}, .proxy = nullptr};
  std::map<const config::Upstream*, upstream::Upstream*> upstreams;
  for (const auto& [config, state] : side.generation->upstreams) {
    std::shared_ptr<upstream::Upstream> pool;
    for (const Side& earlier : sides_) {
      if (const auto found = earlier.pools.find(state.get()); found != earlier.pools.end())
        pool = found->second;
    }
    if (!pool) pool = upstream::make_upstream(loop_, state);
    upstreams[config] = pool.get();
    side.pools.emplace(state.get(), std::move(pool));
  }
  side.proxy = std::make_unique<proxy::Proxy>(proxy::Dependencies{.scheduler = loop_,
                                                                  .config = side.generation->config,
                                                                  .router = side.generation->router,
                                                                  .upstreams = std::move(upstreams),
                                                                  .outbox = outbox_,
                                                                  .journal = journal_.get(),
                                                                  .access_log = access_log_,
                                                                  .metrics = metrics_,
                                                                  .log = log_});
  return side;
}

void Worker::take_up(std::shared_ptr<const Generation> generation, Sockets sockets) {
  access_log_.use(generation->config->access_log);
  sides_.push_back(make_side(std::move(generation)));
  const Side& side = sides_.back();
  for (const Generation::Listener& listener : side.generation->listeners)
    use_listener(listener, sockets, *side.proxy);
  for (Front& front : fronts_) {
    const bool stays = std::ranges::any_of(
        side.generation->listeners, [&](const auto& listener) { return listener.shared == front.shared; });
    if (stays) continue;
    front.end->use(*side.proxy);  // for what was asked there and is still on its way
    if (!std::exchange(front.leaving, true)) front.end->drain();
  }
}

void Worker::use_listener(const Generation::Listener& listener, Sockets& sockets, proxy::Proxy& proxy) {
  const downstream::Terms terms{.listener = listener.config, .tls = listener.tls, .sink = proxy};
  const auto front = std::ranges::find(fronts_, listener.shared, &Front::shared);
  if (front != fronts_.end()) return front->end->use(terms);
  net::Fd socket = std::move(sockets.at(listener.shared.get()));
  fronts_.push_back(
      {listener.shared, downstream::make_front_end(loop_, std::move(socket), *listener.shared, terms)});
}

void Worker::use(std::shared_ptr<const Generation> generation, Sockets sockets,
                 std::move_only_function<void()> done) {
  loop_.post([this, generation = std::move(generation), sockets = std::move(sockets),
              done = std::move(done)]() mutable {
    take_up(std::move(generation), std::move(sockets));
    done();
  });
}

// Nothing that belongs to them is on the stack here, and what they have deferred is done.
void Worker::drop_what_has_ended() {
  for (auto side = sides_.begin(); std::next(side) != sides_.end();) {
    side = side->proxy->in_flight() == 0 ? sides_.erase(side) : std::next(side);
  }
  std::erase_if(fronts_, [](const Front& front) { return front.leaving && front.end->connections() == 0; });
}

void Worker::at_end_of_turn() {
  if (access_log_.pending() && !std::exchange(flush_due_, true)) flush_timer_->set(loop_.now() + flush_after);
  drop_what_has_ended();
  if (draining_) idle_.store(has_nothing_to_do());
}

bool Worker::has_nothing_to_do() const {
  return std::ranges::all_of(sides_, [](const Side& side) { return side.proxy->in_flight() == 0; }) &&
         std::ranges::all_of(fronts_, [](const Front& front) { return front.end->awaited() == 0; });
}

// ---- Its life

void Worker::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "hangup-worker");
    loop_.run();
  });
}

void Worker::ask(std::move_only_function<void(std::span<const proxy::Proxy* const>)> question) {
  loop_.post([this, question = std::move(question)]() mutable {
    std::vector<const proxy::Proxy*> proxies;
    for (const Side& side : sides_) proxies.push_back(side.proxy.get());
    question(proxies);
  });
}

void Worker::watch_lag() {
  lag_timer_ = loop_.make_timer([this] {
    const MonoTime now = loop_.now();
    metrics_.late_by(now - lag_due_);
    lag_timer_->set(lag_due_ = now + look_at_lag_every);
  });
  lag_timer_->set(lag_due_ = loop_.now() + look_at_lag_every);
}

bool Worker::turns() {
  if (stopping_.load()) return true;
  if (!turned_.exchange(false)) return false;
  loop_.post([this] { turned_.store(true); });
  return true;
}

void Worker::drain() {
  loop_.post([this] {
    draining_ = true;
    for (const Front& front : fronts_) {
      if (!front.leaving) front.end->drain();
    }
  });
}

void Worker::shut_down() {
  stopping_.store(true);
  loop_.post([this] {
    for (const Side& side : sides_) side.proxy->shut_down();
  });
  stop();
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

}  // namespace hangup::app
