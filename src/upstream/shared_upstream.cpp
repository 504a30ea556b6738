#include "upstream/shared_upstream.h"

#include <algorithm>
#include <utility>

namespace hangup::upstream {
namespace {

bool take_one(std::atomic<std::size_t>& taken, std::size_t limit) {
  std::size_t count = taken.load();
  do {
    if (count >= limit) return false;
  } while (!taken.compare_exchange_weak(count, count + 1));
  return true;
}

}  // namespace

SharedUpstream::SharedUpstream(std::shared_ptr<const config::Upstream> config)
    : config_(std::move(config)), servers_(config_->servers.size()) {}

bool SharedUpstream::try_open(std::size_t server) {
  return take_one(servers_[server].open, config_->connections.max);
}

void SharedUpstream::closed(std::size_t server) {
  servers_[server].open.fetch_sub(1);
  if (anybody_waits()) wake_workers();
}

bool SharedUpstream::try_keep(std::size_t server) {
  return take_one(servers_[server].idle, config_->connections.keepalive);
}

bool SharedUpstream::anything_idle() const {
  return std::ranges::any_of(servers_, [](const Server& server) { return server.idle.load() != 0; });
}

bool SharedUpstream::try_queue() {
  return take_one(waiting_, config_->connections.queue);
}

void SharedUpstream::add_worker(std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  workers_.push_back(std::move(wake));
}

void SharedUpstream::wake_workers() {
  const std::scoped_lock lock(mutex_);
  for (const auto& wake : workers_) wake();
}

std::shared_ptr<SharedUpstream> make_shared_upstream(std::shared_ptr<const config::Upstream> config) {
  return std::make_shared<SharedUpstream>(std::move(config));
}

}  // namespace hangup::upstream
