// What stands before a logger that must never hold up who logs: hands over what its queue has room for,
// counts the lines of the rest, which would be dropped unseen, and says in the log how many they were.
//
// Threading: any thread.
#pragma once

#include "observe/outlet.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

namespace hangup::observe {

// A logger and the thread that writes for it. Each has a thread of its own, so that an access log going to a
// pipe which nobody reads does not silence the log that would say so; and no sink needs a lock.
struct AsyncLogger {
  AsyncLogger(std::string name, std::shared_ptr<Outlet> outlet, std::size_t queue);
  ~AsyncLogger();  // writes out
  AsyncLogger(const AsyncLogger&) = delete;
  AsyncLogger& operator=(const AsyncLogger&) = delete;

  // Writes what is queued and ends the thread; no message may come any more. False when what it goes to did
  // not take it within seconds: the thread is left to itself, since nothing frees it from its system call.
  bool write_out();

  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
};

class BoundedSink final : public spdlog::sinks::sink {
 public:
  // `log` is told of what was dropped and what else is lost, at most once a second, by the clock of the
  // messages.
  BoundedSink(std::shared_ptr<AsyncLogger> behind, std::size_t most, std::shared_ptr<LostLines> lost,
              std::shared_ptr<spdlog::logger> log);
  ~BoundedSink() override;  // writes out, and says what it has not said yet

  void log(const spdlog::details::log_msg& message) override;
  void flush() override { behind_->logger->flush(); }
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  void report(spdlog::log_clock::time_point now);

  const std::shared_ptr<AsyncLogger> behind_;
  const std::size_t most_;
  const std::shared_ptr<LostLines> lost_;
  const std::shared_ptr<spdlog::logger> log_;
  std::atomic<spdlog::log_clock::time_point> said_{spdlog::log_clock::time_point::min()};
};

}  // namespace hangup::observe
