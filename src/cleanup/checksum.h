// What tells a record that was written whole from one that was not: CRC-32, as zlib's.
#pragma once

#include <libdeflate.h>

#include <cstdint>
#include <string_view>

namespace hangup::cleanup {

inline std::uint32_t checksum(std::string_view bytes) {
  return ::libdeflate_crc32(0, bytes.data(), bytes.size());
}

}  // namespace hangup::cleanup
