// The PROXY protocol, versions 1 and 2: what a proxy in front writes at the very beginning of a connection to
// say who its client is. Sans-IO and strict: what is not exactly such a header is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <hangup/base/address.h>
#include <hangup/base/error.h>

namespace hangup::net {

// No header is longer: the fixed part of version 2 and the 4 KiB of addresses and extensions that are taken.
inline constexpr std::size_t most_proxy_header = 16 + 4096;

struct ProxyHeader {
  std::size_t size = 0;  // of the header; what follows belongs to the client. 0: more is needed to tell
  // The proxy speaks for itself (a health check), or can't say who its client is: whoever connected is the
  // client, and the addresses are unset.
  bool local = false;
  bool unknown = false;  // of these: it speaks for a client, but can't say which (UNKNOWN, UNSPEC)
  SocketAddress source;
  SocketAddress destination;
};

// `bytes` is all that came so far of a connection, from its first byte. An error is final, and says what is
// wrong as soon as that can be told. With most_proxy_header bytes the answer is never "more".
Result<ProxyHeader> parse_proxy_header(std::string_view bytes);

// CRC-32C, as the protocol's checksum has it (RFC 3309 appendix B).
std::uint32_t crc32c(std::string_view bytes);

}  // namespace hangup::net
