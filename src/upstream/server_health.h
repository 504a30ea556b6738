// What is known of the health of an upstream's servers beside whether they can be connected to: what checks
// found (CheckedServer), and how many requests in a row they have failed (Outliers).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/counts.h>
#include <hangup/config/upstream_care.h>

namespace hangup::upstream {

// One server, as its checks find it. It is up until the first of them, which decides alone, so that a process
// knows at once what it starts in front of; from then on it takes several in a row that disagree.
//
// Threading: checks are counted by one thread; any may ask.
class CheckedServer {
 public:
  bool is_up() const { return up_.load(std::memory_order_relaxed); }
  // True when this check has changed that.
  bool checked(bool passed, const config::HealthCheck& config);
  // Begins with what `before` was found to be. To be called before the first check.
  void inherit(const CheckedServer& before);
  std::uint64_t passes() const { return passes_.value(); }
  std::uint64_t failures() const { return failures_.value(); }

 private:
  std::atomic<bool> up_ = true;
  bool first_ = true;
  unsigned against_ = 0;  // checks in a row that disagree with up_
  Count passes_, failures_;
};

// Ejects servers that fail requests one after the other.
//
// Threading: any. The lock is taken only to eject; a request that succeeds at a server that is well reads two
// atomics.
class Outliers {
 public:
  // The longest ejection, unless a single one is longer.
  static constexpr Duration longest = std::chrono::minutes(5);
  struct Ejection {
    Duration length;
    MonoTime end;
  };

  Outliers(const config::Outlier& config, std::size_t servers);

  // How a request to it fared. While the server is ejected nothing counts: those requests began before, or
  // had no better server to go to.
  void succeeded(std::size_t server, MonoTime now);
  // Returns what it is ejected by, if it is now.
  std::optional<Ejection> failed(std::size_t server, MonoTime now);

  bool is_ejected(std::size_t server, MonoTime now) const { return now < until(server); }
  // The end of its ejection, which may be long ago.
  MonoTime until(std::size_t server) const {
    return MonoTime(Duration(servers_[server].until.load(std::memory_order_relaxed)));
  }
  // The server is the one that is `old` in `before`. To be called before there are requests.
  void inherit(std::size_t server, const Outliers& before, std::size_t old);
  std::uint64_t ejections(std::size_t server) const {
    return servers_[server].ejections.load(std::memory_order_relaxed);
  }

 private:
  struct Server {
    std::atomic<unsigned> failures = 0;    // in a row
    std::atomic<unsigned> in_a_row = 0;    // ejections without a success between them
    std::atomic<Duration::rep> until = 0;  // since the clock's epoch
    std::atomic<std::uint64_t> ejections = 0;
  };
  std::optional<Ejection> eject(std::size_t server, MonoTime now);

  const config::Outlier config_;
  std::vector<Server> servers_;
  std::mutex mutex_;  // one ejection at a time, so that there are not too many
};

}  // namespace hangup::upstream
