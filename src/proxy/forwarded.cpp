#include "proxy/forwarded.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <hangup/base/address.h>
#include <hangup/base/text.h>

namespace hangup::proxy {
namespace {

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

constexpr bool is_parameter_char(char c) {  // tchar of RFC 9110 section 5.6.2
  return is_unreserved(c) || std::string_view("!#$%&'*+^`|").contains(c);
}

// Where the quoted string begins whose closing quote is at `end`; npos if there is no such string.
std::size_t opening_quote(std::string_view text, std::size_t end) {
  for (std::size_t at = end; at > 0;) {
    at = text.rfind('"', at - 1);
    if (at == std::string_view::npos) return at;
    const std::string_view before = text.substr(0, at);
    const std::size_t backslashes = before.size() - (before.find_last_not_of('\\') + 1);
    if (backslashes % 2 == 0) return at;
  }
  return std::string_view::npos;
}

// The value at the front of `rest`, a token or a quoted string, taken from it.
std::optional<std::string> take_value(std::string_view& rest) {
  std::string value;
  if (!rest.starts_with('"')) {
    const auto end =
        static_cast<std::size_t>(std::ranges::find_if_not(rest, is_parameter_char) - rest.begin());
    value = rest.substr(0, end);
    rest.remove_prefix(end);
    if (value.empty()) return std::nullopt;
    return value;
  }
  for (std::size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] == '"') {
      rest.remove_prefix(at + 1);
      return value;
    }
    if (rest[at] == '\\' && ++at == rest.size()) break;
    value += rest[at];
  }
  return std::nullopt;
}

// "for=192.0.2.7;proto=https"
std::optional<ForwardedElement> parse_element(std::string_view text) {
  ForwardedElement element;
  const std::pair<std::string_view, std::string*> known[] = {
      {"for", &element.node}, {"proto", &element.proto}, {"host", &element.host}};
  while (true) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = without_blanks(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    auto value = take_value(text);
    if (!value) return std::nullopt;
    for (const auto& [parameter, into] : known) {
      if (!equals_ignoring_case(name, parameter)) continue;
      if (!into->empty()) return std::nullopt;
      *into = *std::move(value);
      break;
    }
    text = without_blanks(text);
    if (text.empty()) return element;
    if (!text.starts_with(';')) return std::nullopt;
    text = without_blanks(text.substr(1));
    if (text.empty()) return element;
  }
}

}  // namespace

std::optional<ForwardedNode> parse_node(std::string_view text) {
  const bool bracketed = text.starts_with('[');
  const std::size_t close = bracketed ? text.find(']') : std::string_view::npos;
  if (bracketed && close == std::string_view::npos) return std::nullopt;
  std::string_view host = text;
  std::string_view port;
  const std::size_t colon = text.find(':', bracketed ? close : 0);
  const bool has_port =
      colon != std::string_view::npos && (bracketed || text.find(':', colon + 1) == std::string_view::npos);
  if (has_port) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) return std::nullopt;
  }
  const bool is_v6 = host.contains(':');
  if (bracketed && (!is_v6 || host.size() != close + 1)) return std::nullopt;
  ForwardedNode node;
  if (has_port && !port.starts_with('_')) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), node.port);
    if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  }
  std::string written(host);
  if (is_v6 && !bracketed) written = '[' + written + ']';
  const auto address = SocketAddress::parse(written + ":0");
  if (!address || address->is_unix()) return std::nullopt;
  node.ip = address->host();
  return node;
}

std::string_view take_last_member(std::string_view& list) {
  const std::size_t comma = list.rfind(',');
  const std::string_view member = without_blanks(list.substr(comma + 1));  // npos + 1 is 0
  list = list.substr(0, comma == std::string_view::npos ? 0 : comma);
  return member;
}

std::optional<ForwardedElement> take_last_element(std::string_view& field) {
  const std::string_view whole = std::exchange(field, std::string_view());
  std::size_t start = whole.size();
  while (start > 0 && whole[start - 1] != ',') {
    --start;
    if (whole[start] != '"') continue;
    start = opening_quote(whole, start);
    if (start == std::string_view::npos) return std::nullopt;
  }
  auto element = parse_element(without_blanks(whole.substr(start)));
  if (element && start > 0) field = whole.substr(0, start - 1);
  return element;
}

}  // namespace hangup::proxy
