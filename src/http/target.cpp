#include "http/target.h"

#include "http/chars.h"

#include <arpa/inet.h>

#include <hangup/base/text.h>

namespace hangup::http {
namespace {

bool has_scheme(std::string_view target, std::string_view scheme) {
  return target.size() >= scheme.size() && equals_ignoring_case(target.substr(0, scheme.size()), scheme);
}

// Only allowed characters, and each '%' before two hexadecimal digits.
bool is_well_formed(std::string_view target) {
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (!is(target[i], target_char)) return false;
    if (target[i] != '%') continue;
    if (target.size() - i < 3 || !is(target[i + 1], hex_char) || !is(target[i + 2], hex_char)) return false;
    i += 2;
  }
  return true;
}

bool is_valid_port(std::string_view port) {
  if (port.empty() || port.size() > 5 || !all_of(port, digit_char)) return false;
  unsigned number = 0;
  for (const char digit : port) number = number * 10 + static_cast<unsigned>(digit - '0');
  return number <= 65535;
}

bool is_ipv6(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof terminated || text.contains('\0')) return false;
  terminated[text.copy(terminated, text.size())] = '\0';
  in6_addr address;
  return inet_pton(AF_INET6, terminated, &address) == 1;
}

void split_query(std::string_view text, Target& parts) {
  const std::size_t question = text.find('?');
  parts.path = text.substr(0, question);
  parts.has_query = question != std::string_view::npos;
  if (parts.has_query) parts.query = text.substr(question + 1);
}

Parsed<Target> parse_absolute(std::string_view target, std::string_view method) {
  std::string_view rest = target.substr(target.find("://") + 3);
  Target parts;
  parts.authority = rest.substr(0, rest.find_first_of("/?"));
  if (!is_valid_host(parts.authority)) return refuse(400, "the request target's host is not valid");
  rest.remove_prefix(parts.authority.size());
  split_query(rest, parts);
  // RFC 9112 section 3.2.4: OPTIONS without path and query asks the server itself.
  if (parts.path.empty()) parts.path = method == "OPTIONS" && !parts.has_query ? "*" : "/";
  return parts;
}

}  // namespace

Parsed<Target> parse_target(std::string_view target, std::string_view method) {
  if (target.empty() || !is_well_formed(target)) {
    return refuse(400, "the request target has a character that is not allowed");
  }
  Target parts;
  if (target.front() == '/') {
    split_query(target, parts);
    return parts;
  }
  if (has_scheme(target, "http://") || has_scheme(target, "https://")) return parse_absolute(target, method);
  if (target == "*" && method == "OPTIONS") {
    parts.path = target;
    return parts;
  }
  return refuse(400, "the request target has no form that is served here");
}

bool is_valid_host(std::string_view host) {
  std::size_t name_bytes = 0;
  if (host.starts_with('[')) {
    const std::size_t bracket = host.find(']');
    if (bracket == std::string_view::npos || !is_ipv6(host.substr(1, bracket - 1))) return false;
    name_bytes = bracket + 1;
  } else {
    name_bytes = run_of(host, host_char);
  }
  if (name_bytes == 0) return false;
  const std::string_view rest = host.substr(name_bytes);
  return rest.empty() || (rest.front() == ':' && is_valid_port(rest.substr(1)));
}

}  // namespace hangup::http
