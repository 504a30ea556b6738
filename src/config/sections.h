// The sections of a configuration, one file each. Every function reports what is wrong to the reader and
// returns what could be made of the rest.
#pragma once

#include "config/section.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <hangup/config/config.h>

namespace hangup::config {

// What routes refer to by name. A name whose section has problems is there nonetheless: they are reported
// once.
template <typename T>
using ByName = std::map<std::string, std::shared_ptr<const T>, std::less<>>;

template <typename T>
std::vector<std::string_view> names_of(const ByName<T>& named) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : named) names.push_back(name);
  return names;
}

// Whether who connects to the one may reach the other. IPv4 and IPv6 are apart.
bool overlap(const SocketAddress& one, const SocketAddress& other);

void read_listeners(Section& root, Config& config);
void read_auth(Section& root, Config& config);
ByName<Upstream> read_upstreams(Section& root, Config& config);
// health and outlier of an upstream.
void read_upstream_care(Section& section, Upstream& upstream);
void read_resolver(Section& root, std::optional<SocketAddress>& resolver);
ByName<Cleanup> read_cleanups(Section& root, Config& config);
void read_routes(Section& root, const ByName<Upstream>& upstreams, const ByName<Cleanup>& cleanups,
                 Config& config);
void read_outbox(Section& root, Outbox& outbox);
void read_admin(Section& root, Config& config);  // after the listeners
void read_access_log(Section& root, AccessLog& access_log);
void read_log(Section& root, Log& log);

// One cleanup. `inline_path` is the path of the route that it stands in, null for one under cleanups.
std::shared_ptr<const Cleanup> read_cleanup(Reader& reader, const Node& node, std::string name,
                                            const PathPattern* inline_path);

// A method, `GET`. nullopt: a problem was reported.
std::optional<std::string> read_method(Reader& reader, const Node& node, std::string_view key);

// A header's name where `key` (set_header and the like) is about it. False: a problem was reported.
enum class HeaderOf : std::uint8_t { request, response, cleanup };
bool check_header_name(Reader& reader, const Node& node, HeaderOf message);
// name: template pairs.
std::vector<std::pair<std::string, TemplateText>> read_headers(Reader& reader, const Node& node,
                                                               std::string_view key, HeaderOf message);
// set_header and remove_header of a route's request or response.
void read_header_changes(Section& section, HeaderOf message, const PathPattern& path, HeaderChanges& changes);
// allow and auth of a route.
void read_access(Section& route_section, Route& route);
// request: of a route.
void read_request_changes(Section& section, const PathPattern& path, RequestChanges& changes);

// on_disconnect.cleanup of a route: what it calls. Those that are written there get the route's name and go
// to `config` too, where every other cleanup is already.
void read_called_cleanups(Section& on_disconnect, const ByName<Cleanup>& cleanups, Route& route,
                          Config& config);

}  // namespace hangup::config
