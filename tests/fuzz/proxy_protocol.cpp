// The PROXY protocol's header: whatever comes, in pieces and whole give the same, and nothing beyond the
// header counts.
#include "fuzz/fuzz.h"

#include <algorithm>
#include <string>

#include <hangup/net/proxy_protocol.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using hangup::fuzz::require;
  const std::string_view bytes = hangup::fuzz::view(data, size);
  const auto whole = hangup::net::parse_proxy_header(bytes);
  if (whole && whole->size == 0) require(size < hangup::net::most_proxy_header, "a header has an end");

  std::size_t came = 0;
  hangup::fuzz::Chance chance(bytes);
  for (;;) {
    const auto part = hangup::net::parse_proxy_header(bytes.substr(0, came));
    if (!part) {
      require(!whole && part.error().message == whole.error().message,
              "an error in pieces is one of the whole");
      return 0;
    }
    if (part->size != 0) {
      require(part->size <= came, "a header is of bytes that came");
      require(whole && whole->size == part->size && whole->local == part->local, "pieces and whole agree");
      require(whole->source.to_string() == part->source.to_string(), "pieces and whole agree on who it is");
      const auto alone = hangup::net::parse_proxy_header(bytes.substr(0, part->size));
      require(alone && alone->size == part->size, "what follows a header is no part of it");
      return 0;
    }
    if (came == size) break;
    came = std::min(size, came + 1 + chance.below(64));
  }
  require(whole && whole->size == 0, "what needs more in pieces needs it whole");
  return 0;
}
