#include "upstream/addresses.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace hangup::upstream {

Addresses::Addresses(const std::vector<config::Server>& servers) : counts_(servers.size()) {
  for (std::size_t i = 0; i < servers.size(); ++i) {
    std::vector<SocketAddress> fixed;
    if (!servers[i].name) fixed.push_back(servers[i].address);
    counts_[i] = fixed.size();
    lists_.push_back(std::make_shared<const std::vector<SocketAddress>>(std::move(fixed)));
  }
}

std::vector<Addresses::List> Addresses::all() const {
  const std::scoped_lock lock(mutex_);
  return lists_;
}

bool Addresses::change(std::size_t server, std::vector<SocketAddress> to) {
  {
    const std::scoped_lock lock(mutex_);
    if (std::ranges::is_permutation(*lists_[server], to)) return false;
    counts_[server].store(to.size(), std::memory_order_relaxed);
    lists_[server] = std::make_shared<const std::vector<SocketAddress>>(std::move(to));
  }
  version_.fetch_add(1, std::memory_order_release);
  return true;
}

// A server that listens on "every address" often does so for IPv4 only, whatever its name says.
std::vector<SocketAddress> usable(std::vector<SocketAddress> found) {
  const auto is_v4 = [](const SocketAddress& address) { return address.family() == AF_INET; };
  if (std::ranges::any_of(found, is_v4)) std::erase_if(found, std::not_fn(is_v4));
  std::vector<SocketAddress> once;
  for (const SocketAddress& address : found) {
    if (std::ranges::find(once, address) == once.end()) once.push_back(address);
  }
  return once;
}

}  // namespace hangup::upstream
