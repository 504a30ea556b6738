#include <algorithm>

#include <hangup/base/text.h>
#include <hangup/config/path.h>
#include <hangup/proxy/router.h>

namespace hangup::proxy {
namespace {

// Without the port, and without the dot that makes a name absolute.
std::string_view bare_host(std::string_view host) {
  const std::size_t bracket = host.starts_with('[') ? std::min(host.find(']'), host.size()) : 0;
  host = host.substr(0, host.find(':', bracket));
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

bool matches_host(const std::optional<std::string>& pattern, std::string_view host) {
  if (!pattern) return true;
  if (!pattern->starts_with("*.")) return equals_ignoring_case(*pattern, host);
  const std::string_view suffix = std::string_view(*pattern).substr(1);
  return host.size() > suffix.size() &&
         equals_ignoring_case(host.substr(host.size() - suffix.size()), suffix);
}

bool matches_method(const std::vector<std::string>& methods, std::string_view method) {
  return methods.empty() || std::ranges::find(methods, method) != methods.end();
}

// Calls visit(segment of the pattern, part of the path) for each segment, until it says no.
template <typename Visit>
bool walk(const config::PathPattern& pattern, std::string_view path, Visit visit) {
  for (const auto& segment : pattern.segments) {
    if (!path.starts_with('/')) return false;
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    if (!visit(segment, part)) return false;
    path.remove_prefix(part.size());
  }
  return pattern.prefix || path.empty();
}

bool matches_path(const config::PathPattern& pattern, std::string_view path) {
  return walk(pattern, path, [](const config::PathPattern::Segment& segment, std::string_view part) {
    return segment.capture ? !part.empty() : part == segment.text;
  });
}

Captures capture(const config::PathPattern& pattern, std::string_view path) {
  Captures captures;
  walk(pattern, path, [&](const config::PathPattern::Segment& segment, std::string_view part) {
    if (segment.capture) captures.emplace_back(segment.text, config::percent_decoded(part));
    return true;
  });
  return captures;
}

}  // namespace

Router::Router(std::shared_ptr<const config::Config> config) : config_(std::move(config)) {}

RouteMatch Router::match(std::string_view method, std::string_view host, std::string_view path) const {
  host = bare_host(host);
  std::string scratch;
  path = config::comparable_path(path, scratch);
  RouteMatch match;
  for (const config::Route& route : config_->routes) {
    if (!matches_method(route.match.methods, method) || !matches_path(route.match.path, path) ||
        !matches_host(route.match.host, host)) {
      continue;
    }
    match.route = &route;
    match.captures = capture(route.match.path, path);
    return match;
  }
  for (const config::Route& route : config_->routes) {
    if (!matches_path(route.match.path, path) || !matches_host(route.match.host, host)) continue;
    for (const std::string& allowed : route.match.methods) {
      if (std::ranges::find(match.allowed_methods, allowed) == match.allowed_methods.end()) {
        match.allowed_methods.emplace_back(allowed);
      }
    }
  }
  return match;
}

}  // namespace hangup::proxy
