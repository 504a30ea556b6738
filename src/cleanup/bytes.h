// Numbers and strings as bytes, for files of ours: little-endian, strings with their length before them.
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <hangup/base/clock.h>

namespace hangup::cleanup {

static_assert(std::endian::native == std::endian::little, "files are written in the machine's own order");

// Microseconds since the epoch, as times are stored.
constexpr std::int64_t to_micros(WallTime time) {
  return std::chrono::floor<std::chrono::microseconds>(time).time_since_epoch().count();
}
// Any number gives a time, since files can be damaged: one that lies beyond the clock's range, the nearest.
constexpr WallTime from_micros(std::int64_t micros) {
  constexpr std::int64_t most = 9'200'000'000'000'000;
  return WallTime(std::chrono::microseconds(std::clamp(micros, -most, most)));
}

class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}
  template <typename Number>
  void number(Number value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof value);
  }
  void string(std::string_view text) {
    number(static_cast<std::uint32_t>(text.size()));
    out_ += text;
  }

 private:
  std::string& out_;
};

// Once something is not there, ok() is false and all that is read is 0 or empty: a sequence is checked once,
// at its end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  template <typename Number>
  Number number() {
    Number value{};
    const std::string_view bytes = take(sizeof value);
    if (ok_) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string_view string() { return take(number<std::uint32_t>()); }
  // How many items follow, each of at least `size` bytes.
  std::uint32_t count(std::size_t size) {
    const auto items = number<std::uint32_t>();
    if (items > rest_.size() / size) ok_ = false;
    return ok_ ? items : 0;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace hangup::cleanup
