#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include <hangup/base/units.h>

namespace hangup {
namespace {

template <typename Unit>
struct Named {
  std::string_view suffix;
  Unit unit;
};

// From the largest, so that formatting finds the shortest text.
constexpr std::array<Named<std::int64_t>, 4> time_units = {
    {{"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000}, {"ms", 1'000'000}}};
constexpr std::array<Named<std::uint64_t>, 4> size_units = {
    {{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"", 1}}};

// The number at the front of `text` and what stands behind it.
template <typename Number>
std::optional<std::pair<Number, std::string_view>> split_number(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  Number number{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{}) return std::nullopt;
  return std::pair{number, std::string_view(end, text.data() + text.size())};
}

template <typename Number, std::size_t N>
std::optional<Number> parse_with_units(std::string_view text, const std::array<Named<Number>, N>& units) {
  const auto parts = split_number<Number>(text);
  if (!parts) return std::nullopt;
  const auto [number, suffix] = *parts;
  if (number == 0 && suffix.empty()) return Number{0};
  for (const auto& named : units) {
    if (named.suffix != suffix) continue;
    if (number > std::numeric_limits<Number>::max() / named.unit) return std::nullopt;
    return number * named.unit;
  }
  return std::nullopt;
}

template <typename Number, std::size_t N>
std::string format_with_units(Number value, const std::array<Named<Number>, N>& units) {
  for (const auto& named : units) {
    if (value != 0 && value % named.unit == 0)
      return std::to_string(value / named.unit) + std::string(named.suffix);
  }
  return std::to_string(value / units.back().unit) + std::string(units.back().suffix);
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const auto nanoseconds = parse_with_units(text, time_units);
  return nanoseconds ? std::optional(Duration(*nanoseconds)) : std::nullopt;
}

std::string format_duration(Duration duration) {
  return duration == Duration::zero() ? "0s" : format_with_units<std::int64_t>(duration.count(), time_units);
}

std::optional<Bytes> parse_bytes(std::string_view text) {
  const auto count = parse_with_units(text, size_units);
  return count ? std::optional(Bytes{*count}) : std::nullopt;
}

std::string format_bytes(Bytes bytes) {
  return format_with_units(bytes.count, size_units);
}

}  // namespace hangup
