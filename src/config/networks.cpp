#include "config/networks.h"

namespace hangup::config {

void read_allowed_networks(Section& section, std::optional<Networks>& allowed) {
  constexpr std::string_view expected = "a list of networks, such as 10.0.0.0/8, ::1 or unix";
  if (!section.has("allow")) return;
  Networks networks;
  section.each("allow", expected, [&](const Node& node) {
    const auto text = section.reader().text(node, "allow", expected);
    if (!text) return;
    const auto network = Network::parse(text->value);
    if (network) return networks.add(*network);
    section.reader().problem(node.position, "`allow`: " + network.error().message);
  });
  allowed = std::move(networks);
}

}  // namespace hangup::config
