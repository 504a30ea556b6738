#include "cleanup/verdict.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>

namespace hangup::cleanup {
namespace {

using std::chrono::seconds;

// However long a receiver wants to be left alone: nobody waits for a cleanup for days.
constexpr seconds longest_wait = std::chrono::hours(1);

// RFC 9110 section 5.6.7. Seconds of the epoch: a WallTime ends in the year 2262.
std::optional<seconds> parse_http_date(const std::string& text) {
  for (const char* format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* end = ::strptime(text.c_str(), format, &parts);
    if (end == text.c_str() + text.size()) return seconds(::timegm(&parts));
  }
  return std::nullopt;
}

}  // namespace

std::optional<Duration> parse_retry_after(std::string_view value, WallTime now) {
  if (value.empty()) return std::nullopt;
  if (std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; })) {
    seconds wait{0};
    for (const char digit : value) wait = std::min(wait * 10 + seconds(digit - '0'), longest_wait);
    return wait;
  }
  const auto date = parse_http_date(std::string(value));
  if (!date) return std::nullopt;
  const auto since_epoch = std::chrono::floor<seconds>(now.time_since_epoch());
  return std::clamp(*date - since_epoch, seconds::zero(), longest_wait);
}

}  // namespace hangup::cleanup
