// Which route a request matches.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hangup/config/config.h>

namespace hangup::proxy {

// A pattern's captures: views into the pattern and (percent-decoded) values.
using Captures = std::vector<std::pair<std::string_view, std::string>>;

struct RouteMatch {
  const config::Route* route = nullptr;  // null: none
  Captures captures;
  // Some route would have matched but for its methods: 405 rather than 404, and their union for the Allow
  // field.
  std::vector<std::string_view> allowed_methods;
};

// Immutable; any thread.
class Router {
 public:
  // Keeps a reference to the routes of `config`, which the router keeps alive.
  explicit Router(std::shared_ptr<const config::Config> config);

  // `host` is the Host field's value (its port is ignored), `path` the target's path as received. What is
  // matched is the path with unreserved characters decoded and dot segments removed (RFC 3986 section 6.2.2),
  // so that a route can't be gone round by spelling.
  RouteMatch match(std::string_view method, std::string_view host, std::string_view path) const;

 private:
  std::shared_ptr<const config::Config> config_;
};

}  // namespace hangup::proxy
