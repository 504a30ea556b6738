// "host:port" of the URLs of servers and of cleanups.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include <hangup/base/address.h>
#include <hangup/base/error.h>

namespace hangup::config {

struct Authority {
  std::string host;           // a name, or an IP address without brackets
  bool is_bracketed = false;  // it was an IPv6 address
  std::uint16_t port = 80;
};

// Strict: no user information, no empty port, a port from 1. The error says what was expected.
Result<Authority> parse_authority(std::string_view text, std::uint16_t default_port = 80);

// The host has to be looked up, and may have another address tomorrow: not so of an address, nor of localhost
// (RFC 6761 section 6.3).
bool is_name(const Authority& authority);

// Looks the host up, if it is a name. IPv4 comes before IPv6, since many servers on "localhost" listen on
// that only.
Result<SocketAddress> resolve(const Authority& authority);

}  // namespace hangup::config
