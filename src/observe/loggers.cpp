#include "observe/bounded_sink.h"
#include "observe/log_file.h"
#include "observe/outlet.h"
#include "observe/syslog_lines.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <sys/socket.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <hangup/observe/access_log.h>

namespace hangup::observe {
namespace {

// Messages that may wait for a slow disk or terminal. One of the access log is a batch of 64 KiB or a little
// more.
constexpr std::size_t access_queue = 1024;
constexpr std::size_t log_queue = 8192;

// Producers that find room at the same moment: with so many more places nothing that counts is overrun.
constexpr std::size_t spare_places = 1024;

// The library would not tell that nobody takes the lines.
Result<void> look_for_syslog() {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::string_view(_PATH_LOG).copy(name.sun_path, sizeof name.sun_path - 1);
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    const int socket = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    const bool listens = ::connect(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    const int error = errno;
    ::close(socket);
    if (listens) return {};
    if (error != EPROTOTYPE)
      return std::unexpected(Error{std::string("no syslog daemon at ") + _PATH_LOG + ": " +
                                   std::strerror(error) + "; stdout, stderr and files need none"});
  }
  return {};
}

// Files by a sink of ours rather than the library's, which tries five times to open one, waits for a pipe's
// reader and makes missing directories of a misspelt path.
Result<spdlog::sink_ptr> open_sink(const std::string& path) {
  if (path == "stdout") return std::make_shared<spdlog::sinks::stdout_sink_st>();
  if (path == "stderr") return std::make_shared<spdlog::sinks::stderr_sink_st>();
  if (path == "syslog") {
    if (auto there = look_for_syslog(); !there) return std::unexpected(std::move(there.error()));
    return std::make_shared<SyslogLines>(
        std::make_shared<spdlog::sinks::syslog_sink_st>("hangup", LOG_PID, LOG_DAEMON, false));
  }
  auto file = LogFile::open(path);
  if (!file) return std::unexpected(std::move(file.error()));
  return *std::move(file);
}

// `line_end` follows each message.
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

constexpr spdlog::level::level_enum on_or_off(bool on) {
  return on ? spdlog::level::info : spdlog::level::off;
}

}  // namespace

struct Outlets {
  std::shared_ptr<LostLines> lost = std::make_shared<LostLines>();  // of the access log
  std::shared_ptr<Outlet> access = std::make_shared<Outlet>(lost);
  std::shared_ptr<Outlet> log = std::make_shared<Outlet>();
};

Result<Loggers> open_loggers(const config::AccessLog& access_log, const config::Log& log) {
  const auto outlets = std::make_shared<const Outlets>();
  Loggers loggers;
  loggers.outlets = outlets;

  auto people = std::make_shared<AsyncLogger>("log", outlets->log, log_queue);
  spdlog::logger* log_logger = people->logger.get();
  loggers.log = std::shared_ptr<spdlog::logger>(std::move(people), log_logger);

  const auto bounded = std::make_shared<BoundedSink>(
      std::make_shared<AsyncLogger>("access_log", outlets->access, access_queue + spare_places), access_queue,
      outlets->lost, loggers.log);
  loggers.access = std::make_shared<spdlog::logger>("access_log", bounded);
  loggers.attempts = std::make_shared<spdlog::logger>("access_log", bounded);
  loggers.access_lines_dropped =
      std::shared_ptr<const std::atomic<std::uint64_t>>(outlets->lost, &outlets->lost->all);

  auto begin = reopen(loggers, access_log, log);
  if (!begin) return std::unexpected(std::move(begin.error()));
  (*begin)();
  set_levels(loggers, access_log, log);
  return loggers;
}

Result<std::function<void()>> reopen(const Loggers& loggers, const config::AccessLog& access_log,
                                     const config::Log& log) {
  auto people = open_log(log);
  if (!people) return std::unexpected(std::move(people.error()));
  auto access = open_access_log(access_log);
  if (!access) return std::unexpected(std::move(access.error()));
  return [loggers, people = *std::move(people), access = *std::move(access)] {
    loggers.outlets->log->redirect(people);
    loggers.outlets->access->redirect(access);
    // So that files which are done with close even if nothing more is logged.
    loggers.log->flush();
    loggers.access->flush();
  };
}

void set_levels(const Loggers& loggers, const config::AccessLog& access_log, const config::Log& log) {
  loggers.log->set_level(spdlog::level::from_str(log.level == "error" ? "err" : log.level));
  loggers.access->set_level(on_or_off(access_log.enabled));
  loggers.attempts->set_level(on_or_off(access_log.enabled && !access_log.line));
}

}  // namespace hangup::observe
