// How many connections a listener has open, over all workers, and how many of them each client's address has.
//
// A connection holds a ConnectionPlace from its accept to its end. Who the client is may become known later
// than that (behind a load balancer the PROXY protocol says it), so the place is told by name_client().
//
// Threading: any thread, and a place may end on another thread than it began on. The total is one atomic; the
// addresses are in shards with a lock each, taken twice in a connection's life and never for a request. The
// limits outlive their places and waiters.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <hangup/base/address.h>
#include <hangup/config/config.h>

namespace hangup::downstream {

class ConnectionLimits;

// One of the connections that a listener may have. Empty, it stands for none.
class [[nodiscard]] ConnectionPlace {
 public:
  ConnectionPlace() = default;
  ConnectionPlace(ConnectionPlace&& other) noexcept
      : limits_(std::exchange(other.limits_, nullptr)), client_(std::exchange(other.client_, {})) {}
  ConnectionPlace& operator=(ConnectionPlace&& other) noexcept {
    std::swap(limits_, other.limits_);
    std::swap(client_, other.client_);
    return *this;
  }
  ~ConnectionPlace();
  explicit operator bool() const { return limits_ != nullptr; }

  // Says whose connection it is. False: this client has as many as it may, and the connection is to be
  // refused. REQUIRES: not empty; at most once.
  [[nodiscard]] bool name_client(const SocketAddress& client);

 private:
  friend class ConnectionLimits;
  explicit ConnectionPlace(ConnectionLimits& limits) : limits_(&limits) {}

  ConnectionLimits* limits_ = nullptr;
  std::optional<std::uint64_t> client_;
};

class ConnectionLimits {
 public:
  // Somebody who has a connection and no place for it. `wake` is called on any thread when there may be one;
  // it must not call the limits.
  struct Waiter {
    std::function<void()> wake;
  };

  // `most` is what the listener says, or fewer where there are not enough descriptors.
  ConnectionLimits(const config::Listener::Connections& config, std::size_t most);
  // For the connections to come: those that are open, or were told to wait, stay.
  void change(const config::Listener::Connections& config, std::size_t most);
  ConnectionLimits(const ConnectionLimits&) = delete;
  ConnectionLimits& operator=(const ConnectionLimits&) = delete;

  bool waits_when_full() const { return when_full_.load() == config::Listener::Connections::WhenFull::wait; }
  std::size_t most() const { return most_.load(); }
  std::size_t most_of_a_client() const { return most_of_a_client_.load(); }
  std::size_t open() const { return open_.load(); }

  // Empty when there are as many as there may be.
  ConnectionPlace take();
  // The same, and then `waiter` is woken, once, when there may be a place.
  ConnectionPlace take_or_wait(Waiter& waiter);
  // A waiter that has been woken and needs no place (any more) calls this: another may want it.
  void pass_on();
  // From here on the waiter is not woken.
  void forget(Waiter& waiter);

  // One of the few refused connections that are kept until they have read their answer. False: no more of
  // them.
  bool begin_refusal();
  void end_refusal() { refusals_.fetch_sub(1); }
  static constexpr std::size_t most_refusals = 256;

 private:
  friend class ConnectionPlace;
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::uint64_t, std::size_t> open;  // guarded by mutex; by client, none is 0
  };
  Shard& shard_of(std::uint64_t client);
  bool add_client(std::uint64_t client);
  void remove_client(std::uint64_t client);
  void release();
  void wake_one();

  std::atomic<config::Listener::Connections::WhenFull> when_full_;
  std::atomic<std::size_t> most_;
  std::atomic<std::size_t> most_of_a_client_;
  std::atomic<std::size_t> open_ = 0;
  std::atomic<std::size_t> refusals_ = 0;
  std::array<Shard, 32> shards_;
  std::atomic<std::size_t> waiting_ = 0;  // waiters_.size()
  std::mutex mutex_;
  std::deque<Waiter*> waiters_;  // guarded by mutex_
};

}  // namespace hangup::downstream
