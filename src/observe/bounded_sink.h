// What stands before a logger that must never hold up who logs: hands over what its queue has room for,
// counts the lines of the rest, which would be dropped unseen, and says in the log how many they were.
//
// Threading: any thread.
#pragma once

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace hangup::observe {

// A logger and the thread that writes for it. Each has a thread of its own, so that an access log going to a
// pipe which nobody reads does not silence the log that would say so; and no sink needs a lock.
struct AsyncLogger {
  AsyncLogger(std::string name, spdlog::sink_ptr sink, std::size_t queue);
  // Writes what is queued and joins the thread, so that nobody else holds the logger and its sink when they
  // go.
  ~AsyncLogger() { pool.reset(); }
  AsyncLogger(const AsyncLogger&) = delete;
  AsyncLogger& operator=(const AsyncLogger&) = delete;

  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
};

class BoundedSink final : public spdlog::sinks::sink {
 public:
  // `log` is told of what was dropped, at most once a second, by the clock of the messages.
  BoundedSink(std::shared_ptr<AsyncLogger> behind, std::size_t most, std::shared_ptr<spdlog::logger> log);
  ~BoundedSink() override;  // says what it has not said yet

  void log(const spdlog::details::log_msg& message) override;
  void flush() override {}  // each message is flushed when it is written
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  std::shared_ptr<const std::atomic<std::uint64_t>> dropped() const { return dropped_; }

 private:
  void report(spdlog::log_clock::time_point now);

  std::shared_ptr<AsyncLogger> behind_;
  const std::size_t most_;
  std::shared_ptr<spdlog::logger> log_;
  std::shared_ptr<std::atomic<std::uint64_t>> dropped_;
  std::atomic<std::uint64_t> unsaid_ = 0;
  std::atomic<spdlog::log_clock::time_point> said_{spdlog::log_clock::time_point::min()};
};

}  // namespace hangup::observe
