// One thread with everything that it needs to carry requests: loop, front ends, upstream pools, exchanges.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include <hangup/cleanup/cleanup.h>
#include <hangup/downstream/front_end.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/tls_server.h>
#include <hangup/observe/access_log.h>
#include <hangup/observe/metrics.h>
#include <hangup/proxy/proxy.h>
#include <hangup/proxy/router.h>
#include <hangup/upstream/upstream.h>

namespace hangup::app {

// What all workers share.
struct Shared {
  std::shared_ptr<const config::Config> config;
  const proxy::Router& router;
  const proxy::BearerTokens* tokens;  // null without `auth`
  std::map<const config::Upstream*, std::shared_ptr<upstream::SharedUpstream>> upstreams;
  cleanup::Outbox& outbox;
  observe::Loggers& loggers;
  observe::Metrics& metrics;
};

// Threading: made, started and stopped by the Server's thread.
class Worker {
 public:
  explicit Worker(const Shared& shared);
  ~Worker();  // stops

  // Before start().
  Result<void> listen(downstream::SharedListener& listener, net::Fd socket);
  // For the connections to come of the listener that was the `index`th to be listened at. Before start() or
  // while it runs.
  void use_tls(std::size_t index, std::shared_ptr<const net::TlsServer> tls);
  void start();
  // Runs it on the worker's thread, soon; never if the worker is about to stop. Any thread.
  void ask(std::move_only_function<void(const proxy::Proxy&)> question);
  // Measures from now on how late the loop is, several times a second. Before start().
  void watch_lag();
  // Stops accepting, closes idle connections.
  void drain();
  // Ends every exchange with outcome shutdown, then stops; returns when the thread has ended.
  void shut_down();
  // drain() has been carried out, and no exchange is under way.
  bool idle() const { return idle_.load(); }

 private:
  void stop();

  net::EventLoop loop_;
  observe::WorkerMetrics& metrics_;
  observe::AccessLog access_log_;
  std::unique_ptr<cleanup::InFlightJournal> journal_;
  std::map<const config::Upstream*, std::unique_ptr<upstream::Upstream>> upstreams_;
  std::unique_ptr<proxy::Proxy> proxy_;
  std::vector<std::unique_ptr<downstream::FrontEnd>> front_ends_;
  std::unique_ptr<Timer> flush_timer_;
  std::unique_ptr<Timer> lag_timer_;  // null unless it is watched
  MonoTime lag_due_{};
  bool flush_due_ = false;
  bool draining_ = false;
  std::atomic<bool> idle_ = false;
  std::thread thread_;
};

}  // namespace hangup::app
