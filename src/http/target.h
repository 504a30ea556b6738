// Request targets (RFC 9112 section 3.2) and hosts.
#pragma once

#include "http/parsed.h"

#include <string_view>

namespace hangup::http {

// The parts of a target; views into it.
struct Target {
  std::string_view authority;  // of absolute-form; else empty
  std::string_view path;
  std::string_view query;
  bool has_query = false;
};

Parsed<Target> parse_target(std::string_view target, std::string_view method);

// A host name, an IPv4 address or an IPv6 address in brackets, and perhaps a port of one to five digits.
// Narrower than RFC 3986: no percent-encoding, no sub-delims, no empty port, since these make two spellings
// of one host.
bool is_valid_host(std::string_view host);

}  // namespace hangup::http
