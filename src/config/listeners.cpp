#include "config/sections.h"
#include "config/way_in.h"

#include <algorithm>

namespace hangup::config {
namespace {

constexpr std::uint64_t most_head_bytes = 16 * 1024 * 1024;
constexpr std::uint64_t most_body_bytes = std::uint64_t{1} << 50;
constexpr std::uint64_t most_connections = 10'000'000;
constexpr std::string_view inherited_prefix = "fd:";
constexpr std::string_view listeners_example =
    "a list with at least one listener, such as [{address: 127.0.0.1:8080}]";

void read_limits(Section& section, Listener& listener) {
  section.bytes("header_bytes", listener.head.head_bytes, 256, most_head_bytes);
  section.number("headers", listener.head.fields, 1, 10'000);
  section.bytes("body_bytes", listener.body_bytes.count, 1, most_body_bytes);
  using WhenFull = Listener::Connections::WhenFull;
  constexpr auto when_full = std::to_array<std::pair<std::string_view, WhenFull>>(
      {{"wait", WhenFull::wait}, {"reject", WhenFull::reject}});
  section.number("connections", listener.connections.max, 1, most_connections);
  section.choice("when_full", listener.connections.when_full, when_full);
  section.number("connections_per_client", listener.connections.per_client, 0, most_connections);
}

void read_timeouts(Section& section, Listener::Timeouts& timeouts) {
  section.duration("handshake", timeouts.handshake);
  section.duration("idle", timeouts.idle);
  section.duration("header", timeouts.header);
  section.duration("body_idle", timeouts.body_idle);
  section.duration("write_idle", timeouts.write_idle);
}

// What systemd takes for the name of a descriptor (sd_listen_fds_with_names(3)).
bool is_descriptor_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F && c != ':'; });
}

bool read_inherited(Reader& reader, const Node& node, std::string name, Listener& listener) {
  if (!is_descriptor_name(name)) {
    reader.problem(node.position,
                   "`address`: " + shown(name) +
                       " is no name of a socket that systemd passes: expected fd:NAME with the "
                       "FileDescriptorName= of a socket unit");
    return false;
  }
  listener.inherited = std::move(name);
  return true;
}

bool read_address(Section& section, Listener& listener) {
  const Node* node = section.required(
      "address", "where to listen, such as 0.0.0.0:8080, [::]:8080, unix:/run/x.sock or fd:NAME");
  if (node == nullptr) return false;
  const auto text = section.reader().text(*node, "address", "an address such as 0.0.0.0:8080");
  if (!text) return false;
  listener.position = node->position;
  if (text->value.starts_with(inherited_prefix))
    return read_inherited(section.reader(), *node, text->value.substr(inherited_prefix.size()), listener);
  const auto address = SocketAddress::parse(text->value);
  if (!address) {
    section.reader().problem(node->position, "`address`: " + address.error().message);
    return false;
  }
  listener.address = *address;
  return true;
}

const Node& position_source(const Node& mapping, std::string_view key) {
  const auto* entry = mapping.find(key);
  return entry == nullptr ? mapping : *entry->value;
}

bool is_any_host(const SocketAddress& address) {
  return address.host() == "0.0.0.0" || address.host() == "::";
}

// The kernel would share connections out among listeners of one address, and refuses one that overlaps.
void check_unique(Reader& reader, const Node& node, const Listener& listener,
                  const std::vector<Listener>& others) {
  for (const Listener& other : others) {
    if (!listener.name.empty() && other.name == listener.name) {
      reader.problem(position_source(node, "name").position,
                     "duplicate listener name " + shown(listener.name) + ": names are unique");
    }
    const bool is_same = !listener.inherited.empty() && other.inherited == listener.inherited;
    if (!is_same && !overlap(listener.address, other.address)) continue;
    const bool is_other_text = other.where() != listener.where();
    reader.problem(position_source(node, "address").position,
                   (is_other_text ? "address " : "duplicate address ") + shown(listener.where()) +
                       ": listener " + shown(other.name) + " has it already" +
                       (is_other_text ? ", by " + shown(other.where()) : ""));
  }
}

}  // namespace

bool overlap(const SocketAddress& one, const SocketAddress& other) {
  if (one.size() == 0 || one.family() != other.family()) return false;
  if (one.is_unix()) return one.to_string() == other.to_string();
  return one.port() == other.port() && one.port() != 0 &&
         (one.host() == other.host() || is_any_host(one) || is_any_host(other));
}

void read_listeners(Section& root, Config& config) {
  Reader& reader = root.reader();
  const Node* node = root.required_list("listeners", listeners_example);
  if (node == nullptr) return;
  for (const auto& item : node->items) {
    Listener listener;
    Section section(reader, *item, "listeners");
    section.text("name", listener.name);
    const bool has_address = read_address(section, listener);
    section.duration("dead_peer", listener.dead_peer, seconds(2));
    read_way_in(section, listener);
    section.section("limits", [&](Section& limits) { read_limits(limits, listener); });
    section.section("timeouts", [&](Section& timeouts) { read_timeouts(timeouts, listener.timeouts); });
    section.finish();
    if (listener.name.empty() && has_address) listener.name = listener.where();
    check_unique(reader, *item, listener, config.listeners);
    if (listener.tls && !listener.tls->client_subject_header.empty())
      config.client_subject_headers.push_back(listener.tls->client_subject_header);
    config.listeners.push_back(std::move(listener));
  }
}

}  // namespace hangup::config
