// What an attempt's end means for its delivery.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <hangup/base/clock.h>

namespace hangup::cleanup {

enum class Verdict : std::uint8_t {
  done,   // acknowledged
  final,  // trying again is of no use
  retry,
};

// Of a response's status; 0 for no response at all. Those in `ok_status` acknowledge too. Redirects are not
// followed and come under retry: a receiver that moves is repaired by an operator, perhaps in time.
constexpr Verdict verdict_of(int status, std::span<const int> ok_status = {}) {
  if (status >= 200 && status < 300) return Verdict::done;
  if (std::ranges::find(ok_status, status) != ok_status.end()) return Verdict::done;
  if (status >= 400 && status < 500 && status != 408 && status != 425 && status != 429) return Verdict::final;
  return Verdict::retry;
}

// A Retry-After value (RFC 9110 section 10.2.3): seconds, or an HTTP-date in any of its three forms. Never
// negative; beyond an hour it is an hour. nullopt when it is neither.
std::optional<Duration> parse_retry_after(std::string_view value, WallTime now);

}  // namespace hangup::cleanup
