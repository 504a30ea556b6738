#include "app/worker.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace hangup::app {
namespace {

// How long a line of the access log may wait for others: handing each over by itself would wake the logger's
// thread for each.
constexpr auto flush_after = std::chrono::milliseconds(10);
// A loop that is stuck for longer than this is sure to be seen.
constexpr auto look_at_lag_every = std::chrono::milliseconds(250);

}  // namespace

Worker::Worker(const Shared& shared)
    : metrics_(shared.metrics.add()),
      access_log_(shared.loggers.access, shared.config->access_log),
      journal_(shared.outbox.make_journal()) {
  std::map<const config::Upstream*, upstream::Upstream*> upstreams;
  for (const auto& [config, state] : shared.upstreams) {
    upstreams[config] = (upstreams_[config] = upstream::make_upstream(loop_, state)).get();
  }
  proxy_ = std::make_unique<proxy::Proxy>(proxy::Dependencies{.scheduler = loop_,
                                                              .config = shared.config,
                                                              .router = shared.router,
                                                              .tokens = shared.tokens,
                                                              .upstreams = std::move(upstreams),
                                                              .outbox = shared.outbox,
                                                              .journal = journal_.get(),
                                                              .access_log = access_log_,
                                                              .metrics = metrics_,
                                                              .log = *shared.loggers.log});
  flush_timer_ = loop_.make_timer([this] {
    flush_due_ = false;
    access_log_.flush();
  });
  loop_.at_end_of_turn([this] {
    if (access_log_.pending() && !std::exchange(flush_due_, true))
      flush_timer_->set(loop_.now() + flush_after);
    if (draining_) idle_.store(proxy_->in_flight() == 0);
  });
}

Worker::~Worker() {
  stop();
}

Result<void> Worker::listen(downstream::SharedListener& listener, net::Fd socket) {
  auto front_end = downstream::make_front_end(loop_, std::move(socket), listener, *proxy_);
  if (!front_end) return std::unexpected(front_end.error());
  front_ends_.push_back(std::move(*front_end));
  return {};
}

void Worker::use_tls(std::size_t index, std::shared_ptr<const net::TlsServer> tls) {
  if (!thread_.joinable()) return front_ends_[index]->use_tls(std::move(tls));
  loop_.post([this, index, tls = std::move(tls)]() mutable { front_ends_[index]->use_tls(std::move(tls)); });
}

void Worker::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "hangup-worker");
    loop_.run();
  });
}

void Worker::ask(std::move_only_function<void(const proxy::Proxy&)> question) {
  loop_.post([this, question = std::move(question)]() mutable { question(*proxy_); });
}

void Worker::watch_lag() {
  lag_timer_ = loop_.make_timer([this] {
    const MonoTime now = loop_.now();
    metrics_.late_by(now - lag_due_);
    lag_timer_->set(lag_due_ = now + look_at_lag_every);
  });
  lag_timer_->set(lag_due_ = loop_.now() + look_at_lag_every);
}

void Worker::drain() {
  loop_.post([this] {
    draining_ = true;
    for (const auto& front_end : front_ends_) front_end->drain();
  });
}

void Worker::shut_down() {
  loop_.post([this] { proxy_->shut_down(); });
  stop();
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

}  // namespace hangup::app
