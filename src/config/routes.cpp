#include "config/balancing.h"
#include "config/sections.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <hangup/base/outcome.h>
#include <hangup/base/text.h>
#include <hangup/config/path.h>

namespace hangup::config {
namespace {

constexpr std::string_view routes_example =
    "a list with at least one route, such as [{match: {path: /*}, upstream: NAME}]";

using Policy = OnDisconnect;
constexpr std::array<std::pair<std::string_view, Policy::Upstream>, 2> upstream_policies = {
    {{"abort", Policy::Upstream::abort}, {"finish", Policy::Upstream::finish}}};
constexpr std::array<std::pair<std::string_view, Policy::HalfClose>, 3> half_close_policies = {
    {{"probe", Policy::HalfClose::probe},
     {"abort", Policy::HalfClose::abort},
     {"wait", Policy::HalfClose::wait}}};

using Beat = Heartbeat::Kind;
constexpr std::array<std::pair<std::string_view, Beat>, 7> heartbeat_kinds = {
    {{"auto", Beat::automatic},
     {"chunk", Beat::chunk},
     {"comment", Beat::comment},
     {"newline", Beat::newline},
     {"continue", Beat::keep_going},
     {"processing", Beat::processing},
     {"off", Beat::off}}};

// What routes are read against.
struct Names {
  const ByName<Upstream>& upstreams;
  const ByName<Cleanup>& cleanups;
};

bool is_valid_host_pattern(std::string_view host) {
  if (host.starts_with('['))
    return host.ends_with(']') && SocketAddress::parse(std::string(host) + ":1").has_value();
  if (host.starts_with("*.")) host.remove_prefix(2);
  const auto is_host_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return !host.empty() && !host.starts_with('.') && std::ranges::all_of(host, is_host_char);
}

void read_host(Section& section, Match& match) {
  if (!section.has("host")) return static_cast<void>(section.optional("host"));
  std::string host;
  section.text("host", host);
  if (host.empty()) return;
  if (!is_valid_host_pattern(host)) {
    return section.reader().unexpected(*section.node().find("host")->value, "host",
                                       "a host without a port, such as example.com or *.example.com");
  }
  if (host.ends_with('.')) host.pop_back();  // as of the Host that it is compared with
  match.host = std::move(host);
}

void read_path(Section& section, Match& match) {
  const Node* node = section.optional("path");
  if (node == nullptr) return;
  Reader& reader = section.reader();
  const auto text = reader.text(*node, "path", "a path such as /exact, /reports/{id} or /assets/*");
  if (!text) return;
  auto pattern = compile_path_pattern(text->value);
  if (!pattern) {
    return reader.problem(reader.within(*node, pattern.error().offset), "`path`: " + pattern.error().message);
  }
  match.path = std::move(*pattern);
}

void read_match(Section& section, Match& match) {
  Reader& reader = section.reader();
  read_host(section, match);
  read_path(section, match);
  section.each("methods", "a list of methods", [&](const Node& node) {
    auto method = read_method(reader, node, "methods");
    if (!method) return;
    if (std::ranges::find(match.methods, *method) != match.methods.end()) {
      return reader.problem(node.position, "`methods`: " + shown(*method) + " twice");
    }
    match.methods.push_back(std::move(*method));
  });
}

std::shared_ptr<const Upstream> read_upstream(Section& section, const ByName<Upstream>& upstreams) {
  const auto names = names_of(upstreams);
  const Node* node = section.required("upstream", known_names("upstreams", names));
  if (node == nullptr) return nullptr;
  const auto text = section.reader().text(*node, "upstream", known_names("upstreams", names));
  if (!text) return nullptr;
  const auto found = upstreams.find(text->value);
  if (found != upstreams.end()) return found->second;
  section.reader().unexpected(*node, "upstream", known_names("upstreams", names), names);
  return nullptr;
}

// Not other versions of HTTP and not TLS: what came through such a tunnel would be requests that no route, no
// limit and no log has seen.
void read_upgrades(Section& section, std::vector<std::string>& upgrades) {
  if (!section.has("upgrades")) return static_cast<void>(section.optional("upgrades"));
  constexpr std::string_view expected = "the name of a protocol, such as websocket";
  std::vector<std::string> read;
  Reader& reader = section.reader();
  if (const Node& value = *section.node().find("upgrades")->value;
      value.kind == Node::Kind::scalar && value.text == "none") {
    upgrades.clear();
    return static_cast<void>(section.optional("upgrades"));
  }
  section.each("upgrades", "a list of protocols, such as [websocket], or none", [&](const Node& node) {
    const auto text = reader.text(node, "upgrades", expected);
    if (!text) return;
    std::string name = text->value;
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (name.starts_with("h2") || name.starts_with("http") || name.starts_with("tls")) {
      return reader.problem(node.position, "`upgrades`: " + shown(text->value) +
                                               " would carry requests past every route; it can't be allowed");
    }
    const bool valid = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == '/';
    });
    if (!valid) return reader.unexpected(node, "upgrades", std::string(expected));
    read.push_back(std::move(name));
  });
  upgrades = std::move(read);
}

void read_on_disconnect(Section& section, const ByName<Cleanup>& cleanups, Route& route, Config& config) {
  Policy& policy = route.on_disconnect;
  section.choice("upstream", policy.upstream, upstream_policies);
  section.choice("half_close", policy.half_close, half_close_policies);
  section.duration("grace", policy.grace, Duration::zero());
  read_called_cleanups(section, cleanups, route, config);
}

void read_cleanup_on(Section& section, OutcomeSet& outcomes) {
  static const std::vector<std::string_view> names(outcome_names.begin() + 1, outcome_names.end());
  if (!section.has("cleanup_on")) return static_cast<void>(section.optional("cleanup_on"));
  OutcomeSet read;
  Reader& reader = section.reader();
  section.each("cleanup_on", "a list of outcomes", [&](const Node& node) {
    const auto text = reader.text(node, "cleanup_on", one_of(names));
    if (!text) return;
    if (text->value == to_string(Outcome::completed)) {
      return reader.problem(
          node.position,
          "`cleanup_on`: `completed` calls for no cleanup: nothing was cut short; expected " + one_of(names));
    }
    const auto found = std::ranges::find(outcome_names, text->value);
    if (found == outcome_names.end()) return reader.unexpected(node, "cleanup_on", one_of(names), names);
    read.add(static_cast<Outcome>(found - outcome_names.begin()));
  });
  outcomes = read;
}

Route read_route(Reader& reader, const Node& node, const Names& names, Config& config) {
  Route route;
  route.name = "route-" + std::to_string(config.routes.size() + 1);
  route.position = node.position;
  route.match.path = {.text = "/*", .segments = {}, .prefix = true};
  Section section(reader, node, "routes");
  section.text("name", route.name);
  route.is_named = section.has("name");
  section.section("match", [&](Section& match) { read_match(match, route.match); });
  read_access(section, route);
  route.upstream = read_upstream(section, names.upstreams);
  if (route.upstream)
    check_balance_of_route(reader, *node.find("upstream")->value, *route.upstream, route.match.path);
  read_upgrades(section, route.upgrades);
  section.section("request",
                  [&](Section& changes) { read_request_changes(changes, route.match.path, route.request); });
  section.section("response", [&](Section& changes) {
    read_header_changes(changes, HeaderOf::response, route.match.path, route.response);
  });
  bool names_cleanup = false;
  section.section("on_disconnect", [&](Section& policy) {
    names_cleanup = policy.has("cleanup");
    read_on_disconnect(policy, names.cleanups, route, config);
  });
  section.section("heartbeat", [&](Section& heartbeat) {
    route.heartbeat.kind = Beat::automatic;
    heartbeat.duration("every", route.heartbeat.every, milliseconds(100));
    heartbeat.choice("kind", route.heartbeat.kind, heartbeat_kinds);
  });
  read_cleanup_on(section, route.cleanup_on);
  if (section.has("cleanup_on") && !names_cleanup) {
    reader.problem(node.find("cleanup_on")->key->position,
                   "`cleanup_on` without a cleanup to call: name it as `cleanup` in `on_disconnect`");
  }
  section.finish();
  return route;
}

bool takes_all_methods(const std::vector<std::string>& ours, const std::vector<std::string>& theirs) {
  const auto is_ours = [&](const std::string& method) {
    return std::ranges::find(ours, method) != ours.end();
  };
  return ours.empty() || (!theirs.empty() && std::ranges::all_of(theirs, is_ours));
}

bool takes_all_hosts(const std::optional<std::string>& ours, const std::optional<std::string>& theirs) {
  if (!ours || !theirs) return !ours;
  if (!ours->starts_with("*.")) return equals_ignoring_case(*ours, *theirs);
  const std::string_view suffix = std::string_view(*ours).substr(1);
  const std::string_view name = std::string_view(*theirs).substr(theirs->starts_with("*.") ? 1 : 0);
  const bool is_subdomain = name.size() > suffix.size() || theirs->starts_with("*.");
  return is_subdomain && name.size() >= suffix.size() &&
         equals_ignoring_case(name.substr(name.size() - suffix.size()), suffix);
}

bool takes_all_paths(const PathPattern& ours, const PathPattern& theirs) {
  if (theirs.segments.size() < ours.segments.size()) return false;
  for (std::size_t i = 0; i < ours.segments.size(); ++i) {
    const auto& own = ours.segments[i];
    const auto& other = theirs.segments[i];
    // A capture takes any segment that is not empty.
    const bool takes =
        own.capture ? other.capture || !other.text.empty() : !other.capture && other.text == own.text;
    if (!takes) return false;
  }
  return ours.prefix || (!theirs.prefix && theirs.segments.size() == ours.segments.size());
}

// The first route that matches a request takes it.
void warn_if_never_reached(Reader& reader, const Route& route, const std::vector<Route>& before) {
  const auto takes_all = [&](const Route& other) {
    return takes_all_paths(other.match.path, route.match.path) &&
           takes_all_hosts(other.match.host, route.match.host) &&
           takes_all_methods(other.match.methods, route.match.methods);
  };
  const auto other = std::ranges::find_if(before, takes_all);
  if (other == before.end()) return;
  reader.warning(route.position, "route " + shown(route.name) + " is never reached: " + shown(other->name) +
                                     " in line " + std::to_string(other->position.line) +
                                     " takes all of its requests; put the narrower one first");
}

}  // namespace

void read_routes(Section& root, const ByName<Upstream>& upstreams, const ByName<Cleanup>& cleanups,
                 Config& config) {
  Reader& reader = root.reader();
  const Node* node = root.required_list("routes", routes_example);
  if (node == nullptr) return;
  std::map<std::string, Position, std::less<>> seen;
  for (const auto& item : node->items) {
    Route route = read_route(reader, *item, {upstreams, cleanups}, config);
    const auto [first, is_new] = seen.emplace(route.name, route.position);
    if (!is_new) {
      const auto* name = item->find("name");
      reader.problem((name == nullptr ? item : name->value)->position,
                     "duplicate route name " + shown(route.name) + ", first given in line " +
                         std::to_string(first->second.line));
    }
    warn_if_never_reached(reader, route, config.routes);
    config.routes.push_back(std::move(route));
  }
}

}  // namespace hangup::config
