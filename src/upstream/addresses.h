// Where an upstream's servers are: what each one's name was looked up to last, or its fixed address.
//
// Threading: any. The lock is taken to change them, and by a worker once after each change.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/config/config.h>

namespace hangup::upstream {

class Addresses {
 public:
  // Of one server. Empty: its name was never found.
  using List = AddressList;

  explicit Addresses(const std::vector<config::Server>& servers);

  // Counts the changes.
  unsigned version() const { return version_.load(std::memory_order_acquire); }
  // Of all servers, in their order.
  std::vector<List> all() const;
  bool has_any(std::size_t server) const { return counts_[server].load(std::memory_order_relaxed) != 0; }
  std::size_t count(std::size_t server) const { return counts_[server].load(std::memory_order_relaxed); }
  // The server is at these from now on. False: as before, in whatever order.
  bool change(std::size_t server, std::vector<SocketAddress> to);

 private:
  std::atomic<unsigned> version_ = 0;
  std::vector<std::atomic<std::size_t>> counts_;
  mutable std::mutex mutex_;
  std::vector<List> lists_;  // guarded by mutex_
};

// What of a name's addresses is used: IPv4 comes before IPv6 as at the start, and nothing twice.
std::vector<SocketAddress> usable(std::vector<SocketAddress> found);

}  // namespace hangup::upstream
