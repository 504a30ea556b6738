#include "config/way_in.h"

namespace hangup::config {
namespace {

constexpr std::string_view networks_expected = "a list of networks, such as 10.0.0.0/8, ::1 or unix";

void read_networks(Section& section, std::string_view key, Networks& networks) {
  section.each(key, networks_expected, [&](const Node& node) {
    const auto text = section.reader().text(node, key, networks_expected);
    if (!text) return;
    const auto network = Network::parse(text->value);
    if (network) return networks.add(*network);
    section.reader().problem(node.position, "`" + std::string(key) + "`: " + network.error().message);
  });
}

}  // namespace

void read_way_in(Section& section, Listener& listener) {
  read_networks(section, "trusted_proxies", listener.trusted_proxies);
}

}  // namespace hangup::config
