// A log that is a file, which can be opened again under its name while it is written to: log rotation renames
// it and then says so.
//
// Threading: messages come from one thread at a time, the logger's own; reopen() from any thread.
#pragma once

#include <spdlog/formatter.h>
#include <spdlog/sinks/sink.h>

#include <atomic>
#include <memory>
#include <string>

#include <hangup/base/error.h>
#include <hangup/net/fd.h>

namespace hangup::observe {

class LogFile final : public spdlog::sinks::sink {
 public:
  // Appends to the file, which is made if it is not there. The error names it and says why not.
  static Result<std::shared_ptr<LogFile>> open(const std::string& path);
  explicit LogFile(std::string path, net::Fd file);
  ~LogFile() override;
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Opens what now has its name; each message is written whole to the old file or to the new one. Never waits
  // for what is being written. On failure the old file stays.
  Result<void> reopen();

  void log(const spdlog::details::log_msg& message) override;
  void flush() override { adopt(); }  // nothing is kept back
  void set_pattern(const std::string& pattern) override;
  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override;

 private:
  void adopt();

  const std::string path_;
  net::Fd file_;
  std::atomic<int> next_ = -1;  // opened, for the next message
  std::unique_ptr<spdlog::formatter> formatter_;
  spdlog::memory_buf_t formatted_;
};

}  // namespace hangup::observe
