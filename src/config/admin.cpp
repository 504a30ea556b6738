#include "config/sections.h"

namespace hangup::config {
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
