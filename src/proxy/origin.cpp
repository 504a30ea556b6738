#include "proxy/origin.h"

#include "proxy/forwarded.h"

#include <algorithm>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include <hangup/base/text.h>
#include <hangup/config/config.h>

namespace hangup::proxy {
namespace {

constexpr std::size_t longest_request_id = 128;
constexpr std::size_t longest_host = 255;

std::optional<std::string_view> only_field(const http::Fields& fields, std::string_view name) {
  return fields.count(name) == 1 ? fields.find(name) : std::nullopt;
}

bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= longest_host && std::ranges::all_of(text, [](char c) {
    return is_unreserved(c) || c == ':' || c == '[' || c == ']';
  });
}

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= longest_request_id && std::ranges::all_of(text, is_unreserved);
}

// What was said about the scheme is kept if it is a scheme that we know.
void believe_proto(Origin& origin, std::string_view proto) {
  if (equals_ignoring_case(proto, "https")) origin.secure = true;
  if (equals_ignoring_case(proto, "http")) origin.secure = false;
}

void believe_host(Origin& origin, std::string_view host) {
  if (is_host(host)) origin.host = host;
}

// The way from the peer towards the client: arrive() says whether to go on.
class Way {
 public:
  Way(Origin& origin, const Networks& trusted) : origin_(origin), trusted_(trusted) {
    if (origin.ip != "unix") hops_.push_back(origin.ip);
  }
  bool arrive(std::string_view node) {
    auto next = parse_node(node);
    if (!next) return lose();
    origin_.ip = next->ip;
    origin_.port = next->port;
    hops_.push_back(std::move(next->ip));
    return trusted_.contains(origin_.ip);
  }
  bool lose() {
    origin_.unknown = true;
    return false;
  }
  void finish() {
    std::string chain;
    for (const std::string& hop : std::views::reverse(hops_))
      chain.append(chain.empty() ? "" : ", ").append(hop);
    origin_.chain = chain.empty() ? origin_.ip : chain;
  }

 private:
  Origin& origin_;
  const Networks& trusted_;
  std::vector<std::string> hops_;  // the peer first
};

// The fields of one name are one list (RFC 9110 section 5.3).
std::vector<std::string_view> values_of(const http::Fields& fields, std::string_view name) {
  std::vector<std::string_view> values;
  for (const http::Field& field : fields) {
    if (equals_ignoring_case(field.name, name)) values.push_back(field.value);
  }
  return values;
}

void walk_forwarded_for(Way& way, const std::vector<std::string_view>& fields) {
  for (std::string_view list : std::views::reverse(fields)) {
    while (!list.empty()) {
      const std::string_view member = take_last_member(list);
      if (!member.empty() && !way.arrive(member)) return;
    }
  }
}

void walk_forwarded(Way& way, Origin& origin, const std::vector<std::string_view>& fields) {
  for (std::string_view field : std::views::reverse(fields)) {
    while (!field.empty()) {
      const auto element = take_last_element(field);
      if (!element) return static_cast<void>(way.lose());
      // What each says is of the connection to it, so that the one that saw the client has the last word.
      believe_proto(origin, element->proto);
      believe_host(origin, element->host);
      if (!way.arrive(element->node)) return;
    }
  }
}

Origin by_forwarded_for(Origin origin, const Networks& trusted, const http::Fields& request) {
  Way way(origin, trusted);
  walk_forwarded_for(way, values_of(request, "x-forwarded-for"));
  way.finish();
  believe_proto(origin, only_field(request, "x-forwarded-proto").value_or(""));
  believe_host(origin, only_field(request, "x-forwarded-host").value_or(""));
  return origin;
}

Origin by_forwarded(Origin origin, const Networks& trusted, const http::Fields& request) {
  Way way(origin, trusted);
  walk_forwarded(way, origin, values_of(request, "forwarded"));
  way.finish();
  return origin;
}

Origin by_proxies(const Origin& peer, const Networks& trusted, const http::Fields& request) {
  if (request.count("forwarded") == 0) return by_forwarded_for(peer, trusted, request);
  Origin named = by_forwarded(peer, trusted, request);
  if (request.count("x-forwarded-for") == 0) return named;
  Origin other = by_forwarded_for(peer, trusted, request);
  if (other.ip == named.ip && other.unknown == named.unknown) return other;
  Origin nobody = peer;
  nobody.unknown = true;
  return nobody;
}

}  // namespace

Origin find_origin(const downstream::ClientInfo& peer, const http::Fields& request) {
  Origin origin{.ip = peer.ip,
                .port = peer.port,
                .unknown = peer.unknown,
                .chain = peer.ip,
                .secure = peer.secure,
                .host = {},
                .request_id = {}};
  if (peer.unknown || peer.listener == nullptr || !peer.listener->trusted_proxies.contains(peer.ip))
    return origin;
  origin = by_proxies(origin, peer.listener->trusted_proxies, request);
  if (!peer.listener->trust_request_id) return origin;
  if (const auto id = only_field(request, "x-request-id"); id && is_request_id(*id)) origin.request_id = *id;
  return origin;
}

}  // namespace hangup::proxy
