// What the workers share of one upstream. Counters are atomic; the lock is taken only to wake workers whose
// requests wait, and to open the first connection by new TLS settings.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <hangup/base/counts.h>
#include <hangup/net/tls.h>
#include <hangup/upstream/upstream.h>

namespace hangup::upstream {

class SharedUpstream {
 public:
  explicit SharedUpstream(std::shared_ptr<const config::Upstream> config);

  // Reads the files of `tls`. Null without an https server.
  Result<std::shared_ptr<const net::TlsClient>> read_tls() const;
  // For new connections to https servers.
  void use_tls(std::shared_ptr<const net::TlsClient> tls);
  std::shared_ptr<const net::TlsClient> tls();
  // Counts the calls of use_tls().
  unsigned tls_version() const { return tls_version_.load(std::memory_order_acquire); }

  const config::Upstream& config() const { return *config_; }

  // Takes one of the server's connections.max, or says that there is none.
  bool try_open(std::size_t server);
  // Gives it back, and wakes those who wait.
  void closed(std::size_t server);

  // Takes one of the server's connections.keepalive.
  bool try_keep(std::size_t server);
  void no_longer_kept(std::size_t server) { servers_[server].idle.fetch_sub(1); }

  // Some worker keeps a connection idle.
  bool anything_idle() const;

  // Requests under way, for least_requests.
  std::size_t requests(std::size_t server) const {
    return servers_[server].requests.load(std::memory_order_relaxed);
  }
  void request_began(std::size_t server) {
    servers_[server].requests.fetch_add(1, std::memory_order_relaxed);
  }
  void request_ended(std::size_t server) {
    servers_[server].requests.fetch_sub(1, std::memory_order_relaxed);
  }

  // Takes one of connections.queue. Whoever queues tries once more to open before it waits: a connection that
  // closed in between has woken nobody.
  bool try_queue();
  void left_queue() { waiting_.fetch_sub(1); }
  bool anybody_waits() const { return waiting_.load() != 0; }

  // What is known of a server's health: whoever finds out more than that it can be connected to, says so
  // here. A server is down for as long as connecting to it fails, and `down_for` after the last time: only
  // requests find out whether it is up again, and none come to a process that says it is not ready.
  static constexpr Duration down_for = std::chrono::seconds(10);
  void connected(std::size_t server);
  void unreachable(std::size_t server, MonoTime now);
  bool is_up(std::size_t server, MonoTime now) const;

  // A worker's. They outlive it.
  struct Requests {
    Count on_new, on_reused;
  };
  Requests& count_requests() { return requests_.add(); }
  UpstreamState state(MonoTime now) const;

  // `wake` is called on any thread: somebody may have a connection now, or should give up one that it keeps
  // idle.
  void add_worker(std::function<void()> wake);
  void wake_workers();

 private:
  struct Server {
    std::atomic<std::size_t> open = 0;
    std::atomic<std::size_t> idle = 0;
    std::atomic<std::size_t> requests = 0;
    std::atomic<std::uint64_t> connected = 0;
    std::atomic<std::uint64_t> unreachable = 0;
    std::atomic<Duration::rep> failed_at =
        0;  // the last time, since the clock's epoch; 0: not since connected
  };
  std::shared_ptr<const config::Upstream> config_;
  std::vector<Server> servers_;
  PerThread<Requests> requests_;
  std::atomic<std::size_t> waiting_ = 0;
  std::atomic<unsigned> tls_version_ = 0;
  std::mutex mutex_;
  std::shared_ptr<const net::TlsClient> tls_;   // guarded by mutex_
  std::vector<std::function<void()>> workers_;  // guarded by mutex_
};

}  // namespace hangup::upstream
