#include <fcntl.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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
// pipe which nobody reads does not silence the log that would say so.
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

// What a logger writes to and how: `line_end` follows each message.
Result<spdlog::sink_ptr> open_outlet(const std::string& name, const std::string& path,
                                     const std::string& pattern, const std::string& line_end) {
  auto sink = open_sink(path);
  if (!sink) return std::unexpected(Error{name + ": " + sink.error().message});
  (*sink)->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::local, line_end));
  return sink;
}

Result<spdlog::sink_ptr> open_log(const config::Log& log) {
  return open_outlet("log", log.path, "%Y-%m-%dT%H:%M:%S.%e%z %l %v", "\n");
}

// Null when it is off.
Result<spdlog::sink_ptr> open_access_log(const config::AccessLog& access_log) {
  if (!access_log.enabled) return nullptr;
  return open_outlet("access_log", access_log.path, "%v", "");
}

using Outlet = std::shared_ptr<spdlog::sinks::dist_sink_mt>;

void redirect(spdlog::sinks::dist_sink_mt& outlet, const spdlog::sink_ptr& sink) {
  outlet.set_sinks(sink ? std::vector{sink} : std::vector<spdlog::sink_ptr>());
}

std::shared_ptr<AsyncLogger> make_logger(const std::string& name, const Outlet& outlet, std::size_t queue) {
  auto async = std::make_shared<AsyncLogger>(name, outlet, queue);
  async->logger->flush_on(spdlog::level::trace);  // whoever tails it sees each message at once
  return async;
}

spdlog::level::level_enum level_of(const config::Log& log) {
  return spdlog::level::from_str(log.level == "error" ? "err" : log.level);
}
spdlog::level::level_enum level_of(const config::AccessLog& access_log) {
  return access_log.enabled ? spdlog::level::info : spdlog::level::off;
}

}  // namespace

struct Outlets {
  Outlet access = std::make_shared<spdlog::sinks::dist_sink_mt>();
  Outlet log = std::make_shared<spdlog::sinks::dist_sink_mt>();
};

Result<Loggers> open_loggers(const config::AccessLog& access_log, const config::Log& log) {
  const auto outlets = std::make_shared<const Outlets>();
  Loggers loggers;
  loggers.outlets = outlets;

  auto people = make_logger("log", outlets->log, log_queue);
  spdlog::logger* log_logger = people->logger.get();
  loggers.log = std::shared_ptr<spdlog::logger>(std::move(people), log_logger);

  auto bounded = std::make_shared<BoundedSink>(
      make_logger("access_log", outlets->access, access_queue + spare_places), access_queue);
  loggers.access_lines_dropped = bounded->dropped();
  loggers.access = std::make_shared<spdlog::logger>("access_log", std::move(bounded));

  auto begin = reopen(loggers, access_log, log);
  if (!begin) return std::unexpected(std::move(begin.error()));
  (*begin)();
  return loggers;
}

Result<std::function<void()>> reopen(const Loggers& loggers, const config::AccessLog& access_log,
                                     const config::Log& log) {
  auto people = open_log(log);
  if (!people) return std::unexpected(std::move(people.error()));
  auto access = open_access_log(access_log);
  if (!access) return std::unexpected(std::move(access.error()));
  return [loggers, people = *people, access = *access, level = level_of(log),
          access_level = level_of(access_log)] {
    redirect(*loggers.outlets->log, people);
    loggers.log->set_level(level);
    redirect(*loggers.outlets->access, access);
    loggers.access->set_level(access_level);
  };
}

}  // namespace hangup::observe
