#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <hangup/base/request_id.h>

namespace hangup {

std::string UuidGenerator::next() {
  constexpr std::size_t random_bytes = 10;
  unsigned char bytes[16];
  const auto since_epoch = clock_.wall().time_since_epoch();
  auto milliseconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
  for (int i = 5; i >= 0; --i) {
    bytes[i] = static_cast<unsigned char>(milliseconds & 0xff);
    milliseconds >>= 8;
  }
  std::memcpy(bytes + 6, random_.take(random_bytes), random_bytes);
  bytes[6] = static_cast<unsigned char>(0x70 | (bytes[6] & 0x0f));  // version 7
  bytes[8] = static_cast<unsigned char>(0x80 | (bytes[8] & 0x3f));  // variant of RFC 9562

  static constexpr char hex[] = "0123456789abcdef";
  std::string text(36, '-');
  std::size_t at = 0;
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
    text[at++] = hex[bytes[i] >> 4];
    text[at++] = hex[bytes[i] & 0x0f];
  }
  return text;
}

}  // namespace hangup
