// Durations and sizes as people write them in configurations and logs.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <hangup/base/clock.h>

namespace hangup {

// A number of bytes.
struct Bytes {
  std::uint64_t count = 0;
  auto operator<=>(const Bytes&) const = default;
};

// "250ms", "30s", "15m", "1h"; a bare "0" too. Nothing else: no sign, no blank, no fraction. nullopt on
// anything else and on overflow.
std::optional<Duration> parse_duration(std::string_view text);
// The shortest text that parse_duration reads back, "250ms".
std::string format_duration(Duration duration);

// "512", "32KiB", "16MiB", "2GiB". nullopt on anything else and on overflow.
std::optional<Bytes> parse_bytes(std::string_view text);
std::string format_bytes(Bytes bytes);

}  // namespace hangup
