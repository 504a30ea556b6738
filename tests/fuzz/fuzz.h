// What the fuzzers share: how a broken promise is reported, and how bytes are cut into pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <hangup/base/hash.h>

namespace hangup::fuzz {

inline void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

inline std::string_view view(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Numbers that look random and depend on the input alone, so that a finding can be had again.
class Chance {
 public:
  explicit Chance(std::string_view input) : state_(fnv1a(input)) {}
  // 0 to bound - 1
  std::size_t below(std::size_t bound) {
    state_ ^= state_ << 13U;
    state_ ^= state_ >> 7U;
    state_ ^= state_ << 17U;
    return static_cast<std::size_t>(state_ % bound);
  }

 private:
  std::uint64_t state_;
};

}  // namespace hangup::fuzz
