// Hands messages of many lines to a sink that takes one line at a time, without its end: syslog.
//
// Threading: as the sink behind.
#pragma once

#include <spdlog/sinks/sink.h>

#include <memory>
#include <string>

namespace hangup::observe {

class SyslogLines final : public spdlog::sinks::sink {
 public:
  explicit SyslogLines(spdlog::sink_ptr behind);

  void log(const spdlog::details::log_msg& message) override;
  void flush() override;
  void set_pattern(const std::string&) override {}  // syslog has its own time and level
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  spdlog::sink_ptr behind_;
};

}  // namespace hangup::observe
