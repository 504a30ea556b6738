#include "app/libevent_log.h"

#include <event2/event.h>

#include <utility>

namespace hangup::app {
namespace {

std::shared_ptr<spdlog::logger> people;  // libevent hands nothing of ours to its callback

spdlog::level::level_enum level_of(int severity) {
  switch (severity) {
    case EVENT_LOG_DEBUG:
      return spdlog::level::debug;
    case EVENT_LOG_MSG:
      return spdlog::level::info;
    case EVENT_LOG_WARN:
      return spdlog::level::warn;
    default:
      return spdlog::level::err;
  }
}

}  // namespace

LibeventLog::LibeventLog(std::shared_ptr<spdlog::logger> log) {
  people = std::move(log);
  event_set_log_callback(
      [](int severity, const char* message) { people->log(level_of(severity), "libevent: {}", message); });
}

LibeventLog::~LibeventLog() {
  event_set_log_callback(nullptr);
  people.reset();
}

}  // namespace hangup::app
