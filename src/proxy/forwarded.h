// X-Forwarded-For and Forwarded, taken apart from their ends: each proxy appends what it knows, so that the
// nearer to the end, the nearer to us. What stands further to the front, which a client may have made up, has
// no say in how the end is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hangup::proxy {

// An address with what port follows it: "192.0.2.7", "192.0.2.7:4711", "2001:db8::7", "[2001:db8::7]",
// "[2001:db8::7]:4711".
struct ForwardedNode {
  std::string ip;          // as SocketAddress::host() has it
  std::uint16_t port = 0;  // 0 for none, and for an obfuscated one
};
// nullopt for anything else: a name, "unknown", an obfuscated identifier (RFC 7239 section 6).
std::optional<ForwardedNode> parse_node(std::string_view text);

// Takes the last of the members of a comma-separated list, without the blanks around it, from `list`, which
// is empty after the first member was taken.
std::string_view take_last_member(std::string_view& list);

// What one proxy says in Forwarded (RFC 7239 section 4), without quotes; "" for what it does not say.
struct ForwardedElement {
  std::string node;  // `for`
  std::string proto;
  std::string host;
};
// Takes the last element from the field. nullopt if it is none; the rest of the field is then empty: nothing
// can be concluded from it.
std::optional<ForwardedElement> take_last_element(std::string_view& field);

}  // namespace hangup::proxy
