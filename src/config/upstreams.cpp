#include "config/authority.h"
#include "config/balancing.h"
#include "config/client_tls.h"
#include "config/sections.h"

#include <algorithm>

#include <hangup/base/text.h>

namespace hangup::config {
namespace {

constexpr std::uint64_t most_connections = 1'000'000;
constexpr std::uint64_t most_weight = 256;
constexpr std::string_view server_example =
    "a server such as http://127.0.0.1:9000, https://app.internal or unix:/run/app.sock";
constexpr std::string_view servers_example =
    "a list with at least one server, such as [http://127.0.0.1:9000]";
constexpr std::string_view upstreams_example =
    "a mapping with at least one upstream, such as {NAME: {servers: [http://127.0.0.1:9000]}}";

// What is wrong with the URL that has a scheme other than http and https, or none.
std::string wrong_scheme(std::string_view url) {
  const std::size_t colon = url.find("://");
  const std::string_view scheme = colon == std::string_view::npos ? std::string_view() : url.substr(0, colon);
  if (equals_ignoring_case(scheme, "h2c")) {
    return shown(scheme) + ": this release speaks HTTP/1.1 to upstreams; expected " +
           std::string(server_example);
  }
  // The URL may hold a password.
  return (url.contains('@') ? "this" : shown(url)) + " is no server; expected " + std::string(server_example);
}

// The addresses of a name that may change are looked up by whoever uses them.
Result<void> find_address(const Authority& authority, bool may_change, Server& server) {
  if (may_change && is_name(authority)) {
    server.name = Name{authority.host, authority.port};
    return {};
  }
  const auto address = resolve(authority);
  if (!address) return std::unexpected(address.error());
  server.address = *address;
  return {};
}

Result<Server> parse_server(const std::string& url, bool may_change) {
  constexpr std::string_view http = "http://";
  constexpr std::string_view https = "https://";
  Server server;
  server.url = url;
  if (url.starts_with("unix:")) {
    const auto address = SocketAddress::parse(url);
    if (!address) return std::unexpected(address.error());
    server.address = *address;
    server.authority = "localhost";
    return server;
  }
  server.https = equals_ignoring_case(std::string_view(url).substr(0, https.size()), https);
  if (!server.https && !equals_ignoring_case(std::string_view(url).substr(0, http.size()), http)) {
    return std::unexpected(Error{wrong_scheme(url)});
  }
  server.authority = url.substr(server.https ? https.size() : http.size());
  if (server.authority.find_first_of("/?#") != std::string::npos) {
    return std::unexpected(Error{"a server has no path and no query: requests keep their own; expected " +
                                 std::string(server_example)});
  }
  const auto authority = parse_authority(server.authority, server.https ? 443 : 80);
  if (!authority) return std::unexpected(authority.error());
  if (auto found = find_address(*authority, may_change, server); !found)
    return std::unexpected(std::move(found.error()));
  if (server.https) {
    server.tls_name = authority->host;
    if (server.tls_name.ends_with('.')) server.tls_name.pop_back();  // no certificate has it
  }
  return server;
}

std::optional<Server> read_server(Reader& reader, const Node& node, bool may_change,
                                  const std::vector<Server>& others) {
  const auto text = reader.text(node, "servers", server_example);
  if (!text) return std::nullopt;
  auto server = parse_server(text->value, may_change);
  if (!server) {
    reader.problem(node.position, "`servers`: " + server.error().message);
  } else if (std::ranges::find(others, server->url, &Server::url) != others.end()) {
    reader.problem(node.position, "`servers`: " + server->url +
                                      " is there already; for a larger share give it a `weight`: {url: " +
                                      server->url + ", weight: 2}");
  } else {
    return std::move(*server);
  }
  return std::nullopt;
}

void read_servers(Section& section, bool may_change, std::vector<Server>& servers) {
  Reader& reader = section.reader();
  const Node* node = section.required_list("servers", servers_example);
  if (node == nullptr) return;
  for (const auto& item : node->items) {
    if (item->kind != Node::Kind::mapping) {
      if (auto server = read_server(reader, *item, may_change, servers))
        servers.push_back(std::move(*server));
      continue;
    }
    Section long_form(reader, *item, "servers");
    const Node* url = long_form.required("url", server_example);
    auto server = url == nullptr ? std::nullopt : read_server(reader, *url, may_change, servers);
    unsigned weight = 1;
    long_form.number("weight", weight, 0, most_weight);
    long_form.finish();
    if (!server) continue;
    server->weight = weight;
    servers.push_back(std::move(*server));
  }
  if (!servers.empty() && std::ranges::all_of(servers, [](const Server& each) { return each.weight == 0; }))
    reader.problem(node->position,
                   "`servers`: all have the weight 0, so none would get a request; expected "
                   "one with a `weight` from 1 to " +
                       std::to_string(most_weight));
}

// After the servers.
void read_tls_to_servers(Section& section, Upstream& upstream) {
  section.section("tls", [&](Section& tls) { read_client_tls(tls, upstream.tls); });
  for (Server& server : upstream.servers) {
    if (server.https && !upstream.tls.server_name.empty()) server.tls_name = upstream.tls.server_name;
  }
  if (section.has("tls") && !upstream.servers.empty() && !upstream.has_https()) {
    section.reader().problem(section.node().find("tls")->key->position,
                             "`tls` is for https, and none of the servers is https://");
  }
}

void read_connections(Section& section, Upstream::Connections& connections) {
  section.number("max", connections.max, 1, most_connections);
  const std::size_t usual = std::min(connections.keepalive, connections.max);
  const bool is_given = section.has("keepalive");
  section.number("keepalive", connections.keepalive, 0, most_connections);
  if (!is_given) {
    connections.keepalive = usual;
  } else if (connections.keepalive > connections.max) {
    section.reader().problem(section.node().find("keepalive")->value->position,
                             "`keepalive`: found " + std::to_string(connections.keepalive) +
                                 ", expected at most `max`, " + std::to_string(connections.max));
  }
  section.duration("idle", connections.idle);
  section.number("queue", connections.queue, 0, most_connections);
  section.duration("queue_timeout", connections.queue_timeout);
  section.duration("retry_after", connections.retry_after, seconds(1));
}

void read_timeouts(Section& section, Upstream::Timeouts& timeouts) {
  section.duration("connect", timeouts.connect);
  section.duration("first_byte", timeouts.first_byte);
  section.duration("idle", timeouts.idle);
  section.duration("total", timeouts.total, Duration::zero());
  section.duration("tunnel", timeouts.tunnel);
}

void read_host(Section& section, Upstream& upstream) {
  std::string host = "keep";
  section.text("host", host);
  if (host == "keep") return;
  if (host == "server") {
    upstream.host_policy = Upstream::HostPolicy::server;
    return;
  }
  if (!parse_authority(host)) {
    return section.reader().unexpected(*section.node().find("host")->value, "host", "keep, server or a host");
  }
  upstream.host_policy = Upstream::HostPolicy::literal;
  upstream.host = std::move(host);
}

}  // namespace

ByName<Upstream> read_upstreams(Section& root, Config& config) {
  ByName<Upstream> named;
  Reader& reader = root.reader();
  const Node* node = root.required("upstreams", upstreams_example);
  if (node == nullptr) return named;
  if (node->kind != Node::Kind::mapping || node->entries.empty()) {
    reader.unexpected(*node, "upstreams", upstreams_example);
    return named;
  }
  for (const auto& [name, value] : node->entries) {
    auto upstream = std::make_shared<Upstream>();
    upstream->name = name->text;
    Section section(reader, *value, name->text);
    section.duration_or("resolve", "off", upstream->resolve, milliseconds(1));
    read_servers(section, upstream->resolve.has_value(), upstream->servers);
    for (Server& server : upstream->servers) server.upstream = upstream->name;
    read_tls_to_servers(section, *upstream);
    section.boolean("required", upstream->required);
    read_balance(section, *upstream);
    section.duration("slow_start", upstream->slow_start, Duration::zero());
    section.section("retries", [&](Section& inner) { read_retries(inner, upstream->retries); });
    section.section("connections", [&](Section& inner) { read_connections(inner, upstream->connections); });
    section.section("timeouts", [&](Section& inner) { read_timeouts(inner, upstream->timeouts); });
    read_host(section, *upstream);
    read_upstream_care(section, *upstream);
    section.finish();
    config.upstreams.push_back(upstream);
    named.emplace(name->text, std::move(upstream));
  }
  return named;
}

}  // namespace hangup::config
