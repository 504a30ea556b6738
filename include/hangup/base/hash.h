// A hash that is the same in every process and on every machine.
#pragma once

#include <cstdint>
#include <string_view>

namespace hangup {

// 64-bit FNV-1a (Fowler, Noll and Vo). Its high bits depend little on the last bytes: whoever goes by them
// mixes it first. Easy to make collide on purpose.
constexpr std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  return hash;
}

}  // namespace hangup
