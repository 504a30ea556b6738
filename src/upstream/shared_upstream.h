// What the workers share of one upstream. Counters are atomic; the lock is taken only to wake workers whose
// requests wait, and to open the first connection by new TLS settings.
#pragma once

#include "upstream/addresses.h"
#include "upstream/retry_budget.h"
#include "upstream/server_health.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include <hangup/base/counts.h>
#include <hangup/net/tls.h>
#include <hangup/upstream/upstream.h>

namespace hangup::upstream {

class SharedUpstream {
 public:
  explicit SharedUpstream(std::shared_ptr<const config::Upstream> config);
  // Takes over what is known of the health of the servers that both have. To be called before it is used.
  void inherit(const SharedUpstream& before);

  // Reads the files of `tls`. Null without an https server.
  Result<std::shared_ptr<const net::TlsClient>> read_tls() const;
  // For new connections to https servers. If it is the same as before, those that there are stay in use.
  void use_tls(std::shared_ptr<const net::TlsClient> tls);
  std::shared_ptr<const net::TlsClient> tls();
  // Counts the calls of use_tls() that changed anything.
  unsigned tls_version() const { return tls_version_.load(std::memory_order_acquire); }

  const config::Upstream& config() const { return *config_; }

  // Takes one of the server's connections.max, or says that there is none.
  bool try_open(std::size_t server);
  // Gives it back, and wakes those who wait.
  void closed(std::size_t server);

  // Takes one of the server's connections.keepalive.
  bool try_keep(std::size_t server);
  void no_longer_kept(std::size_t server) { servers_[server].idle.fetch_sub(1); }

  // Of connections.max. Not taken: it may be gone.
  bool has_room(std::size_t server) const { return servers_[server].open.load() < config_->connections.max; }

  // Some worker keeps a connection idle.
  bool anything_idle() const;

  // Requests under way, for the balancer.
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
  std::size_t waiting() const { return waiting_.load(); }  // of all workers

  // A server is up unless one of these says otherwise:
  // - its name was never found;
  // - connecting to it has failed lately. It is down for as long as that goes on, and `down_for` after the
  //   last time: only requests, or checks, find out whether it is up again, and no requests come to a process
  //   that says it is not ready;
  // - it has failed its checks;
  // - it is ejected, since requests have failed at it.
  static constexpr Duration down_for = std::chrono::seconds(10);
  bool is_up(std::size_t server, MonoTime now) const;

  // What requests find out. `why` is for the log.
  void connected(std::size_t server, MonoTime now);
  void unreachable(std::size_t server, MonoTime now, std::string_view why);
  // One of several addresses of it; the next one is tried.
  void address_unreachable(std::size_t server) {
    servers_[server].unreachable.fetch_add(1, std::memory_order_relaxed);
  }
  void answered(std::size_t server, int status, MonoTime now);
  void failed(std::size_t server, MonoTime now, std::string_view why);
  // `tell` is called on any thread whenever a server is ejected. To be set before there are requests.
  using OnEjected = std::function<void(std::size_t server, const Outliers::Ejection&, std::string_view why)>;
  void on_ejected(OnEjected tell) { on_ejected_ = std::move(tell); }
  bool is_ejected(std::size_t server, MonoTime now) const {
    return outliers_ && outliers_->is_ejected(server, now);
  }
  // Nullopt when it is not ejected.
  std::optional<MonoTime> ejected_until(std::size_t server, MonoTime now) const {
    if (!is_ejected(server, now)) return std::nullopt;
    return outliers_->until(server);
  }

  // What a check found. True when the server is up, or down, by it.
  bool checked(std::size_t server, bool passed, MonoTime now);

  const Addresses& addresses() const { return addresses_; }
  // What a name was looked up to. False when these are the same as before.
  bool use_addresses(std::size_t server, std::vector<SocketAddress> to, MonoTime now);
  void looked_up(std::size_t server, bool found) {
    (found ? servers_[server].names_found : servers_[server].names_not_found).add();
  }

  // The server is up again: its slow start begins, and those who wait may go there. Whoever finds out, says
  // so here.
  void came_up(std::size_t server, MonoTime now);
  // What it gets of its weight now: rises from a tenth to 1 over slow_start. A server that is tried again,
  // and has not been connected to yet, stands at the tenth.
  double share(std::size_t server, MonoTime now) const;

  RetryBudget& retry_budget() { return retry_budget_; }
  // Counts the workers' pools.
  unsigned next_pool() { return pools_.fetch_add(1, std::memory_order_relaxed); }

  // A worker's. They outlive it.
  struct Requests {
    Count on_new, on_reused;
    std::array<Count, retry_cause_names.size()> retries;  // by RetryCause
    Count over_budget;
  };
  Requests& count_requests() { return requests_.add(); }
  UpstreamState state(MonoTime now) const;

  // `wake` is called on any thread: somebody may have a connection now, or should give up one that it keeps
  // idle.
  using Workers = std::list<std::function<void()>>;
  Workers::iterator add_worker(std::function<void()> wake);
  void remove_worker(Workers::iterator worker);
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
    std::atomic<Duration::rep> came_up_at = 0;  // likewise; 0: it was never down
    CheckedServer checks;
    Count names_found, names_not_found;  // by the one thread that looks them up
  };
  std::shared_ptr<const config::Upstream> config_;
  std::vector<Server> servers_;
  Addresses addresses_;
  std::optional<Outliers> outliers_;
  OnEjected on_ejected_;
  PerThread<Requests> requests_;
  RetryBudget retry_budget_;
  std::atomic<unsigned> pools_ = 0;
  std::atomic<std::size_t> waiting_ = 0;
  std::atomic<unsigned> tls_version_ = 0;
  std::mutex mutex_;
  std::shared_ptr<const net::TlsClient> tls_;  // guarded by mutex_
  Workers workers_;                            // guarded by mutex_
};

}  // namespace hangup::upstream
