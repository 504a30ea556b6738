#include "cleanup/url.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <hangup/base/text.h>

namespace hangup::cleanup {
namespace {

constexpr std::string_view http_scheme = "http://";
constexpr std::string_view https_scheme = "https://";

bool takes_scheme(std::string_view& text, std::string_view scheme) {
  if (!equals_ignoring_case(text.substr(0, scheme.size()), scheme)) return false;
  text.remove_prefix(scheme.size());
  return true;
}

bool is_host_name(std::string_view text) {
  constexpr std::size_t longest_name = 253;  // RFC 1035 section 2.3.4
  return !text.empty() && text != "." && text.size() <= longest_name && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

bool is_ipv6(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' || c == '.';
  });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace

std::string Url::receiver() const {
  return (https ? "https " : "http ") + host + ' ' + std::to_string(port);
}

Result<Url> parse_url(std::string_view text) {
  const auto refuse = [](std::string reason) {
    return std::unexpected(Error{"the url " + std::move(reason)});
  };
  Url url;
  url.https = takes_scheme(text, https_scheme);
  if (!url.https && !takes_scheme(text, http_scheme))
    return refuse("is not an absolute http:// or https:// one");
  if (url.https) url.port = 443;
  text = text.substr(0, text.find('#'));
  const std::size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  const std::string_view authority = text.substr(0, authority_end);
  const std::string_view rest = text.substr(authority_end);

  url.authority = authority;
  std::string_view after_host;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return refuse("has no valid host");
    url.host = lower_case(authority.substr(1, close - 1));
    after_host = authority.substr(close + 1);
    if (!is_ipv6(url.host)) return refuse("has no valid host");
  } else {
    const std::size_t host_end = std::min(authority.find(':'), authority.size());
    url.host = lower_case(authority.substr(0, host_end));
    after_host = authority.substr(host_end);
    if (authority.find('@') != std::string_view::npos)
      return refuse("has user information, which is not supported");
    if (!is_host_name(url.host)) return refuse("has no valid host");
  }
  if (!after_host.empty() && after_host != ":") {
    const auto port = after_host.front() == ':' ? parse_port(after_host.substr(1)) : std::nullopt;
    if (!port) return refuse("has no valid port");
    url.port = *port;
  }
  if (!std::ranges::all_of(rest, [](char c) { return c > ' ' && c < '\x7f'; })) {
    return refuse("has a byte that must be percent-encoded");
  }
  if (!rest.starts_with('/')) url.target = '/';
  url.target += rest;
  return url;
}

std::string_view without_query(std::string_view url) {
  return url.substr(0, url.find_first_of("?#"));
}

}  // namespace hangup::cleanup
