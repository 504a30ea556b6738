#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

#include <hangup/base/utc.h>

namespace hangup {
namespace {

std::string without_zone(std::time_t seconds) {
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text;
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts)};
}

}  // namespace

std::string utc_seconds(WallTime time) {
  return without_zone(std::chrono::system_clock::to_time_t(time)) + 'Z';
}

std::string utc_milliseconds(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::floor<std::chrono::milliseconds>(time - seconds);
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), ".%03uZ", static_cast<unsigned>(rest.count()) % 1000U);
  return without_zone(seconds.time_since_epoch().count()) + text.data();
}

}  // namespace hangup
