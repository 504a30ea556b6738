#include <fcntl.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <hangup/observe/access_log.h>

namespace hangup::observe {
namespace {

// Messages that may wait for a slow disk or terminal. One of the access log is a batch of 16 KiB or a little
// more.
constexpr std::size_t access_queue = 1024;
constexpr std::size_t log_queue = 8192;

// Producers that find room at the same moment: with so many more places nothing that counts is overrun.
constexpr std::size_t spare_places = 1024;

// A logger and the thread that writes for it. Each has a thread of its own, so that an access log going to a
// pipe which nobody reads does not silence the log that would say so; and no sink needs a lock.
struct AsyncLogger {
  AsyncLogger(std::string name, spdlog::sink_ptr sink, std::size_t queue)
      : pool(std::make_shared<spdlog::details::thread_pool>(queue, 1)),
        logger(std::make_shared<spdlog::async_logger>(std::move(name), std::move(sink), pool,
                                                      spdlog::async_overflow_policy::overrun_oldest)) {}

  // Writes what is queued and joins the thread, so that nobody else holds the logger and its sink when they
  // go.
  ~AsyncLogger() { pool.reset(); }
  AsyncLogger(const AsyncLogger&) = delete;
  AsyncLogger& operator=(const AsyncLogger&) = delete;

  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
};

// Hands over to an asynchronous logger what its queue has room for, and counts the lines of the rest, which
// the logger itself would drop unseen. Any thread.
class BoundedSink final : public spdlog::sinks::sink {
 public:
  BoundedSink(std::shared_ptr<AsyncLogger> behind, std::size_t most)
      : behind_(std::move(behind)), most_(most), dropped_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

  void log(const spdlog::details::log_msg& message) override {
    if (behind_->pool->queue_size() < most_)
      return behind_->logger->log(message.time, message.source, message.level, message.payload);
    dropped_->fetch_add(static_cast<std::uint64_t>(std::ranges::count(message.payload, '\n')),
                        std::memory_order_relaxed);
  }
  void flush() override {}  // each message is flushed when it is written
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  std::shared_ptr<const std::atomic<std::uint64_t>> dropped() const { return dropped_; }

 private:
  std::shared_ptr<AsyncLogger> behind_;
  const std::size_t most_;
  std::shared_ptr<std::atomic<std::uint64_t>> dropped_;
};

// Ours rather than the library's own attempt, which tries five times and makes missing directories of a
// misspelt path.
Result<void> check_writable(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) return std::unexpected(Error{"can't open " + path + " for appending: " + std::strerror(errno)});
  ::close(fd);
  return {};
}

Result<spdlog::sink_ptr> open_sink(const std::string& path) {
  if (path == "stdout") return std::make_shared<spdlog::sinks::stdout_sink_st>();
  if (path == "stderr") return std::make_shared<spdlog::sinks::stderr_sink_st>();
  if (auto writable = check_writable(path); !writable) return std::unexpected(writable.error());
  try {
    return std::make_shared<spdlog::sinks::basic_file_sink_st>(path);
  } catch (const spdlog::spdlog_ex& error) {
    return std::unexpected(Error{error.what()});
  }
}

// `line_end` follows each message.
Result<std::shared_ptr<AsyncLogger>> open_logger(const std::string& name, const std::string& path,
                                                 std::size_t queue, const std::string& pattern,
                                                 const std::string& line_end,
                                                 spdlog::level::level_enum level) {
  auto sink = open_sink(path);
  if (!sink) return std::unexpected(Error{name + ": " + sink.error().message});
  (*sink)->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::local, line_end));
  auto async = std::make_shared<AsyncLogger>(name, std::move(*sink), queue);
  async->logger->set_level(level);
  async->logger->flush_on(spdlog::level::trace);  // whoever tails it sees each message at once
  return async;
}

}  // namespace

Result<Loggers> open_loggers(const config::AccessLog& access_log, const config::Log& log) {
  Loggers loggers;
  auto people = open_logger("log", log.path, log_queue, "%Y-%m-%dT%H:%M:%S.%e%z %l %v", "\n",
                            spdlog::level::from_str(log.level == "error" ? "err" : log.level));
  if (!people) return std::unexpected(people.error());
  spdlog::logger* log_logger = (*people)->logger.get();
  loggers.log = std::shared_ptr<spdlog::logger>(std::move(*people), log_logger);
  loggers.access_lines_dropped = std::make_shared<std::atomic<std::uint64_t>>(0);
  if (access_log.enabled) {
    auto access = open_logger("access_log", access_log.path, access_queue + spare_places, "%v", "",
                              spdlog::level::info);
    if (!access) return std::unexpected(access.error());
    auto bounded = std::make_shared<BoundedSink>(std::move(*access), access_queue);
    loggers.access_lines_dropped = bounded->dropped();
    loggers.access = std::make_shared<spdlog::logger>("access_log", std::move(bounded));
  }
  return loggers;
}

}  // namespace hangup::observe
