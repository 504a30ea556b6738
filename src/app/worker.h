// One thread with everything that it needs to carry requests: loop, front ends, upstream pools, exchanges.
#pragma once

#include "app/generation.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include <hangup/cleanup/cleanup.h>
#include <hangup/downstream/front_end.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/fd.h>
#include <hangup/observe/access_log.h>
#include <hangup/observe/metrics.h>
#include <hangup/proxy/proxy.h>
#include <hangup/upstream/upstream.h>

namespace hangup::app {

// What outlives every generation.
struct Shared {
  cleanup::Outbox& outbox;
  observe::Loggers& loggers;
  observe::Metrics& metrics;
};

// Threading: made, started and stopped by the Server's thread.
class Worker {
 public:
  // Listening sockets for listeners that it has none for.
  using Sockets = std::map<const downstream::SharedListener*, net::Fd>;

  Worker(const Shared& shared, std::shared_ptr<const Generation> generation, Sockets sockets);
  ~Worker();  // stops

  void start();
  // From soon on requests belong to this generation, and listeners that it does not have drain. `done` is
  // called on the worker's thread then. While it runs.
  void use(std::shared_ptr<const Generation> generation, Sockets sockets,
           std::move_only_function<void()> done);
  // Runs it on the worker's thread, soon; never if the worker is about to stop. Any thread.
  void ask(std::move_only_function<void(std::span<const proxy::Proxy* const>)> question);
  // Measures from now on how late the loop is, several times a second. Before start().
  void watch_lag();
  // Whether the loop has turned since this was called the last time. Any thread, one at a time.
  bool turns();
  // Stops accepting, closes idle connections.
  void drain();
  // Ends every exchange with outcome shutdown, then stops; returns when the thread has ended.
  void shut_down();
  // drain() has been carried out, and no exchange is under way or to be expected.
  bool idle() const { return idle_.load(); }

 private:
  // Its side of a generation. The pools of upstreams that are the same are the same.
  struct Side {
    std::shared_ptr<const Generation> generation;
    std::map<const upstream::SharedUpstream*, std::shared_ptr<upstream::Upstream>> pools;
    std::unique_ptr<proxy::Proxy> proxy;
  };
  struct Front {
    std::shared_ptr<downstream::SharedListener> shared;
    std::unique_ptr<downstream::FrontEnd> end;
    bool leaving = false;  // no listener of the configuration any more
  };

  void take_up(std::shared_ptr<const Generation> generation, Sockets sockets);
  Side make_side(std::shared_ptr<const Generation> generation);
  void use_listener(const Generation::Listener& listener, Sockets& sockets, proxy::Proxy& proxy);
  void at_end_of_turn();
  void drop_what_has_ended();
  bool has_nothing_to_do() const;
  void stop();

  net::EventLoop loop_;
  cleanup::Outbox& outbox_;
  spdlog::logger& log_;
  observe::WorkerMetrics& metrics_;
  observe::AccessLog access_log_;
  std::unique_ptr<cleanup::InFlightJournal> journal_;
  std::list<Side> sides_;  // the one in use last; before it those whose exchanges have not ended
  std::list<Front> fronts_;
  std::unique_ptr<Timer> flush_timer_;
  std::unique_ptr<Timer> lag_timer_;  // null unless it is watched
  MonoTime lag_due_{};
  bool flush_due_ = false;
  bool draining_ = false;
  std::atomic<bool> idle_ = false;
  std::atomic<bool> turned_ = true;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace hangup::app
