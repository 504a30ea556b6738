// What libevent itself has to say, above all that a name server does not answer, in the log for people.
#pragma once

#include <spdlog/logger.h>

#include <memory>

namespace hangup::app {

// While it lives; libevent has one place for it in a process. Any of its threads may log.
class LibeventLog {
 public:
  explicit LibeventLog(std::shared_ptr<spdlog::logger> log);
  ~LibeventLog();
  LibeventLog(const LibeventLog&) = delete;
  LibeventLog& operator=(const LibeventLog&) = delete;
};

}  // namespace hangup::app
