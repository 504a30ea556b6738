// Looks after the servers of all upstreams, whatever the number of workers: checks their health, looks their
// names up again, and notices the ends of ejections. On a loop and a thread of its own, so that neither takes
// from the time that requests have, and a worker that is busy delays no check.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include <hangup/base/address.h>
#include <hangup/base/clock.h>
#include <hangup/upstream/upstream.h>

namespace spdlog {
class logger;
}

namespace hangup::upstream {

// Threading: made, called and destroyed by one thread. Outlives the workers of the upstreams.
class Care {
 public:
  // Names are asked of `resolver`, or of whom the system's files say. `log` outlives this.
  Care(std::optional<SocketAddress> resolver, spdlog::logger& log);
  ~Care();
  Care(const Care&) = delete;
  Care& operator=(const Care&) = delete;

  // From now on it looks after these and no others; those that it looked after already do not notice. Returns
  // when every name was looked up once, or can't be, but after `patience` in any case. The first upstream
  // that needs any care starts the thread.
  void look_after(std::span<const std::shared_ptr<SharedUpstream>> upstreams, Duration patience);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::upstream
