// The admin listener: what orchestrators and operators ask of the process, and have it do, over HTTP at an
// address of its own that is never one of the clients'. README.md has the pages.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/base/error.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/config/config.h>
#include <hangup/downstream/front_end.h>
#include <hangup/observe/access_log.h>
#include <hangup/observe/metrics.h>
#include <hangup/proxy/proxy.h>
#include <hangup/upstream/upstream.h>

namespace hangup::admin {

// What is of a configuration, which a reload replaces by another.
struct Running {
  struct Listener {
    std::string name;
    std::shared_ptr<const downstream::SharedListener> shared;
  };
  std::shared_ptr<const config::Config> config;
  std::vector<std::shared_ptr<const upstream::SharedUpstream>> upstreams;  // as the configuration's
  std::vector<Listener> listeners;
};

// What the pages are about, and what they can set going. All of it outlives the Admin, and is used on its
// threads.
struct Sources {
  std::function<std::shared_ptr<const Running>()> running;  // what is in effect now
  cleanup::Outbox& outbox;
  const observe::Metrics& metrics;
  const observe::Loggers& loggers;
  std::function<bool()> draining;
  // Starts the drain, by which the process ends. More often than once is as good as once.
  std::function<void()> drain;
  // Runs the question on each worker's thread, soon. A worker has several proxies while exchanges go on that
  // began before a reload. Returns how many workers there are.
  using Question = std::function<void(std::span<const proxy::Proxy* const>)>;
  std::function<std::size_t(Question question)> ask_workers;
};

// Answers on threads of its own, which a slow client of it does not hold up, and no slow disk but for the
// pages that are about what is on it. Made, and destroyed, by one thread.
class Admin {
 public:
  // The error says why it can't listen.
  static Result<std::unique_ptr<Admin>> open(const SocketAddress& address, Sources sources);
  ~Admin();

  // With the real port, where the configuration has port 0.
  const SocketAddress& address() const;

 private:
  class Impl;
  explicit Admin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::admin
