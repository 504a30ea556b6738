#include "config/authority.h"

#include "config/quote.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include <hangup/base/text.h>

namespace hangup::config {
namespace {

constexpr bool is_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_';
}

std::unexpected<Error> malformed(std::string_view text) {
  return std::unexpected(Error{shown(text) + " is no host with an optional port from 1 to 65535"});
}

std::string numeric(const Authority& authority) {
  const std::string host = authority.is_bracketed ? "[" + authority.host + "]" : authority.host;
  return host + ":" + std::to_string(authority.port);
}

}  // namespace

Result<Authority> parse_authority(std::string_view text, std::uint16_t default_port) {
  if (text.contains('@')) return std::unexpected(Error{"a URL here has no user and no password"});
  Authority authority;
  authority.port = default_port;
  authority.is_bracketed = text.starts_with('[');
  const std::size_t close = authority.is_bracketed ? text.find(']') : 0;
  if (close == std::string_view::npos) return malformed(text);
  const std::size_t colon = text.find(':', close);
  const std::string_view host = text.substr(0, colon);
  if (authority.is_bracketed) {
    if (host.size() != close + 1) return malformed(text);
    authority.host = host.substr(1, close - 1);
    if (!SocketAddress::parse(numeric(authority))) return malformed(text);
  } else {
    constexpr std::size_t longest_name = 253;  // RFC 1035 section 2.3.4
    if (host.empty() || host.size() > longest_name || !std::ranges::all_of(host, is_host_char))
      return malformed(text);
    authority.host = host;
  }
  if (colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const char* last = digits.data() + digits.size();
    const auto [end, code] = std::from_chars(digits.data(), last, authority.port);
    if (code != std::errc{} || end != last || authority.port == 0) return malformed(text);
  }
  return authority;
}

bool is_name(const Authority& authority) {
  return !equals_ignoring_case(authority.host, "localhost") && !SocketAddress::parse(numeric(authority));
}

Result<SocketAddress> resolve(const Authority& authority) {
  if (auto address = SocketAddress::parse(numeric(authority))) return address;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code =
      getaddrinfo(authority.host.c_str(), std::to_string(authority.port).c_str(), &hints, &found);
  if (code != 0) {
    return std::unexpected(
        Error{"the host " + shown(authority.host) + " can't be looked up: " + gai_strerror(code)});
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  const addrinfo* chosen = found;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      chosen = each;
      break;
    }
  }
  return SocketAddress(chosen->ai_addr, chosen->ai_addrlen);
}

}  // namespace hangup::config
