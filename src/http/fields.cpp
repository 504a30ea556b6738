#include "http/chars.h"

#include <algorithm>

#include <hangup/base/text.h>
#include <hangup/http/fields.h>

namespace hangup::http {
namespace {

bool is_connection_field(std::string_view name) {
  const auto is_name = [name](std::string_view other) { return equals_ignoring_case(name, other); };
  switch (name.size()) {
    case 2:
      return is_name("TE");
    case 7:
      return is_name("Upgrade") || is_name("Trailer");
    case 10:
      return is_name("Connection") || is_name("Keep-Alive");
    case 16:
      return is_name("Proxy-Connection");
    case 17:
      return is_name("Transfer-Encoding");
    case 18:
      return is_name("Proxy-Authenticate");
    case 19:
      return is_name("Proxy-Authorization");
    case 25:
      return is_name("Proxy-Authentication-Info");
    default:
      return false;
  }
}

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr char as_in_variable(char c) {
  return c == '_' ? '-' : lower(c);
}

// By length first, which settles most comparisons.
struct ShorterOrBefore {
  bool operator()(std::string_view a, std::string_view b) const {
    if (a.size() != b.size()) return a.size() < b.size();
    return std::ranges::lexicographical_compare(a, b, {}, lower, lower);
  }
};

}  // namespace

bool same_variable(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, as_in_variable, as_in_variable);
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t Fields::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      fields_, [&](const Field& field) { return equals_ignoring_case(field.name, name); }));
}

std::optional<std::string_view> upgrade_of(const Fields& fields) {
  std::optional<std::string_view> protocol;
  int protocols = 0;
  bool connected = false;
  for (const auto& [name, value] : fields) {
    if (equals_ignoring_case(name, "Upgrade")) {
      for_each_member(value, [&](std::string_view member) {
        protocol = member;
        ++protocols;
      });
    } else if (equals_ignoring_case(name, "Connection")) {
      for_each_member(value, [&](std::string_view member) {
        connected = connected || equals_ignoring_case(member, "upgrade");
      });
    }
  }
  return connected && protocols == 1 ? protocol : std::nullopt;
}

HopByHop::HopByHop(const Fields& fields) {
  for (const Field& field : fields) {
    if (field.name.size() != 10 || !equals_ignoring_case(field.name, "Connection")) continue;
    for_each_member(field.value, [this](std::string_view member) {
      if (is_connection_field(member) || equals_ignoring_case(member, "close") ||
          equals_ignoring_case(member, "Host") || equals_ignoring_case(member, "Content-Length")) {
        return;
      }
      named_.push_back(member);
    });
  }
  // Sorted, so that a long list under many fields costs no more than it must.
  std::ranges::sort(named_, ShorterOrBefore{});
}

bool HopByHop::contains(std::string_view name) const {
  return is_connection_field(name) || std::ranges::binary_search(named_, name, ShorterOrBefore{});
}

}  // namespace hangup::http
