#include "observe/syslog_lines.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace hangup::observe {

SyslogLines::SyslogLines(spdlog::sink_ptr behind) : behind_(std::move(behind)) {}

void SyslogLines::log(const spdlog::details::log_msg& message) {
  std::string_view rest(message.payload.data(), message.payload.size());
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    spdlog::details::log_msg line = message;
    line.payload = spdlog::string_view_t(rest.data(), end);
    if (end > 0) behind_->log(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void SyslogLines::flush() {
  behind_->flush();
}

}  // namespace hangup::observe
