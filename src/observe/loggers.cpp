#include "observe/bounded_sink.h"
#include "observe/log_file.h"
#include "observe/syslog_lines.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
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

// A sink, and how to open its file again if it is one.
struct Opened {
  spdlog::sink_ptr sink;
  std::function<Result<void>()> reopen = {};
};

// Files by a sink of ours rather than the library's, which tries five times to open one, makes missing
// directories of a misspelt path and can't open it again.
Result<Opened> open_sink(const std::string& path) {
  if (path == "stdout") return Opened{std::make_shared<spdlog::sinks::stdout_sink_st>()};
  if (path == "stderr") return Opened{std::make_shared<spdlog::sinks::stderr_sink_st>()};
  if (path == "syslog") {
    return Opened{std::make_shared<SyslogLines>(
        std::make_shared<spdlog::sinks::syslog_sink_st>("hangup", LOG_PID, LOG_DAEMON, false))};
  }
  auto file = LogFile::open(path);
  if (!file) return std::unexpected(std::move(file.error()));
  return Opened{*file, [file = *file] { return file->reopen(); }};
}

// `line_end` follows each message.
Result<std::shared_ptr<AsyncLogger>> open_logger(const std::string& name, const std::string& path,
                                                 std::size_t queue, const std::string& pattern,
                                                 const std::string& line_end, spdlog::level::level_enum level,
                                                 std::vector<ReopenableLog>& reopenable) {
  auto opened = open_sink(path);
  if (!opened) return std::unexpected(Error{name + ": " + opened.error().message});
  opened->sink->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::local, line_end));
  auto async = std::make_shared<AsyncLogger>(name, std::move(opened->sink), queue);
  async->logger->set_level(level);
  async->logger->flush_on(spdlog::level::trace);  // whoever tails it sees each message at once
  if (opened->reopen) {
    reopenable.push_back(
        {name, path,
         [reopen = std::move(opened->reopen), writer = std::weak_ptr(async->logger)]() -> Result<void> {
           auto reopened = reopen();
           // So that the old file is let go even if nothing more is logged.
           if (const auto logger = writer.lock(); reopened && logger) logger->flush();
           return reopened;
         }});
  }
  return async;
}

}  // namespace

Result<Loggers> open_loggers(const config::AccessLog& access_log, const config::Log& log) {
  Loggers loggers;
  auto people =
      open_logger("log", log.path, log_queue, "%Y-%m-%dT%H:%M:%S.%e%z %l %v", "\n",
                  spdlog::level::from_str(log.level == "error" ? "err" : log.level), loggers.reopenable);
  if (!people) return std::unexpected(people.error());
  spdlog::logger* log_logger = (*people)->logger.get();
  loggers.log = std::shared_ptr<spdlog::logger>(std::move(*people), log_logger);
  loggers.access_lines_dropped = std::make_shared<std::atomic<std::uint64_t>>(0);
  if (access_log.enabled) {
    auto access = open_logger("access_log", access_log.path, access_queue + spare_places, "%v", "",
                              spdlog::level::info, loggers.reopenable);
    if (!access) return std::unexpected(access.error());
    auto bounded = std::make_shared<BoundedSink>(std::move(*access), access_queue, loggers.log);
    loggers.access_lines_dropped = bounded->dropped();
    loggers.access = std::make_shared<spdlog::logger>("access_log", std::move(bounded));
  }
  return loggers;
}

}  // namespace hangup::observe
