// A log that is a file, or a pipe with a name. Each message is written whole, at once.
//
// Threading: one thread at a time.
#pragma once

#include <spdlog/formatter.h>
#include <spdlog/sinks/sink.h>

#include <memory>
#include <string>

#include <hangup/base/error.h>
#include <hangup/net/fd.h>

namespace hangup::observe {

class LogFile final : public spdlog::sinks::sink {
 public:
  // Appends to the file, which is made if it is not there. Never waits for a pipe's reader: what is written
  // before it comes waits in the pipe. The error names the file and says why it can't be opened.
  static Result<std::shared_ptr<LogFile>> open(const std::string& path);
  LogFile(std::string path, net::Fd file);

  void log(const spdlog::details::log_msg& message) override;
  void flush() override {}  // nothing is kept back
  void set_pattern(const std::string& pattern) override;
  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override;

 private:
  const std::string path_;
  const net::Fd file_;
  std::unique_ptr<spdlog::formatter> formatter_;
  spdlog::memory_buf_t formatted_;
};

}  // namespace hangup::observe
