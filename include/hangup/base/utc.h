// Points in time as logs, templates and commands write them: RFC 3339, in UTC.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <hangup/base/clock.h>

namespace hangup {

// "2026-03-01T08:15:30Z"
std::string utc_seconds(WallTime time);
// "2026-03-01T08:15:30.250Z"
std::string utc_milliseconds(WallTime time);

// Points in time that are written to the second, again and again: made anew only when the second is another.
// Threading: belongs to one thread.
class SecondText {
 public:
  using Format = std::string (*)(WallTime);
  explicit SecondText(Format format) : format_(format) {}
  // Good until the next call.
  std::string_view at(WallTime time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    if (second != second_) text_ = format_(time);
    second_ = second;
    return text_;
  }

 private:
  Format format_;
  std::optional<std::chrono::sys_seconds> second_;
  std::string text_;
};

}  // namespace hangup
