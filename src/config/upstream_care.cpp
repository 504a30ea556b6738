// `health`, `outlier` and `resolve` of upstreams, and `resolver`.
#include "config/authority.h"
#include "config/sections.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace hangup::config {
namespace {

constexpr unsigned most_in_a_row = 1000;
constexpr int dns_port = 53;

std::optional<int> parse_status(std::string_view digits) {
  int status = 0;
  const char* end = digits.data() + digits.size();
  const auto [at, code] = std::from_chars(digits.data(), end, status);
  if (code != std::errc{} || at != end || digits.size() != 3 || status < 100 || status > 599)
    return std::nullopt;
  return status;
}

// "204", "200-299".
std::optional<HealthCheck::Statuses> parse_statuses(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_status(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_status(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return HealthCheck::Statuses{*first, *last};
}

void read_statuses(Section& section, HealthCheck& check) {
  constexpr std::string_view expected = "a status such as 200, or a range of them such as 200-299";
  std::vector<HealthCheck::Statuses> all;
  section.each("status", expected, [&](const Node& node) {
    const auto text = section.reader().text(node, "status", expected);
    if (!text) return;
    const auto statuses = parse_statuses(text->value);
    if (!statuses) return section.reader().unexpected(node, "status", expected);
    all.push_back(*statuses);
  });
  if (!all.empty()) check.status = std::move(all);
}

bool is_target(std::string_view path) {
  const auto is_visible = [](char c) { return c > ' ' && c < 0x7f && c != '#'; };
  return path.starts_with('/') && std::ranges::all_of(path, is_visible);
}

void read_request(Section& section, HealthCheck& check) {
  Reader& reader = section.reader();
  if (const Node* node = section.optional("path")) {
    constexpr std::string_view expected = "a path such as /healthz";
    const auto text = reader.text(*node, "path", expected);
    if (text && !is_target(text->value)) reader.unexpected(*node, "path", expected);
    if (text) check.path = text->value;
  }
  if (const Node* node = section.optional("method")) {
    if (auto method = read_method(reader, *node, "method")) check.method = std::move(*method);
  }
  section.text("host", check.host);
  if (!check.host.empty() && !parse_authority(check.host))
    reader.unexpected(*section.node().find("host")->value, "host", "a host such as app.internal");
  read_statuses(section, check);
  if (section.has("path")) return;
  for (const std::string_view key : {"method", "host", "status"}) {
    if (!section.has(key)) continue;
    reader.problem(section.node().find(key)->key->position,
                   shown(key) +
                       " without a `path`: only with one is a request sent; without, that the server "
                       "can be connected to is enough");
  }
}

void read_check(Section& section, HealthCheck& check) {
  read_request(section, check);
  section.duration("interval", check.interval);
  section.duration("timeout", check.timeout);
  section.number("unhealthy", check.unhealthy, 1, most_in_a_row);
  section.number("healthy", check.healthy, 1, most_in_a_row);
}

void read_outlier(Section& section, Outlier& outlier) {
  section.number("failures", outlier.failures, 1, most_in_a_row);
  section.duration("eject", outlier.eject);
  section.number("max_ejected_percent", outlier.max_ejected_percent, 1, 100);
}

}  // namespace

void read_upstream_care(Section& section, Upstream& upstream) {
  section.section("health", [&](Section& inner) { read_check(inner, upstream.health.emplace()); });
  section.section("outlier", [&](Section& inner) { read_outlier(inner, upstream.outlier.emplace()); });
}

void read_resolver(Section& root, std::optional<SocketAddress>& resolver) {
  const Node* node = root.optional("resolver");
  if (node == nullptr) return;
  constexpr std::string_view expected = "the address of a DNS server such as 10.96.0.10 or 127.0.0.1:5353";
  const auto text = root.reader().text(*node, "resolver", expected);
  if (!text) return;
  auto address = SocketAddress::parse(text->value);
  if (!address) address = SocketAddress::parse(text->value + ":" + std::to_string(dns_port));
  if (!address || address->is_unix() || address->port() == 0)
    return root.reader().unexpected(*node, "resolver", expected);
  resolver = *address;
}

}  // namespace hangup::config
