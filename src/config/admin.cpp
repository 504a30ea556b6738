#include "config/sections.h"

namespace hangup::config {
namespace {

bool is_any_host(const SocketAddress& address) {
  return address.host() == "0.0.0.0" || address.host() == "::";
}

// Whether who connects to the one may reach the other. IPv4 and IPv6 are apart.
bool overlap(const SocketAddress& one, const SocketAddress& other) {
  if (one.size() == 0 || one.family() != other.family()) return false;
  if (one.is_unix()) return one.to_string() == other.to_string();
  return one.port() == other.port() && one.port() != 0 &&
         (one.host() == other.host() || is_any_host(one) || is_any_host(other));
}

}  // namespace

void read_admin(Section& root, Config& config) {
  root.section("admin", [&](Section& section) {
    config.admin = SocketAddress::parse("127.0.0.1:9901").value();
    const Node* node = section.optional("address");
    if (node == nullptr) return;
    Reader& reader = section.reader();
    const auto text = reader.text(*node, "address", "an address such as 127.0.0.1:9901");
    if (!text) return;
    const auto address = SocketAddress::parse(text->value);
    if (!address) return reader.problem(node->position, "`address`: " + address.error().message);
    config.admin = *address;
    for (const Listener& listener : config.listeners) {
      if (!overlap(listener.address, *address)) continue;
      reader.problem(node->position, "`address`: listener " + shown(listener.name) +
                                         " has it already; clients must not reach the admin pages");
    }
  });
}

}  // namespace hangup::config
