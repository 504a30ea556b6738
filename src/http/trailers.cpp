#include "http/trailers.h"

#include <algorithm>
#include <array>

#include <hangup/http/fields.h>

namespace hangup::http {
namespace {

constexpr auto forbidden = std::to_array<std::string_view>({
    // framing and the connection
    "Connection",
    "Content-Length",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    // routing, and who asks
    "Forwarded",
    "Host",
    "Max-Forwards",
    "Via",
    "X-Request-Id",
    // authentication and state
    "Authorization",
    "Cookie",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Set-Cookie",
    "WWW-Authenticate",
    // request modifiers
    "Cache-Control",
    "Expect",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Pragma",
    "Range",
    // response control
    "Age",
    "Date",
    "Expires",
    "Location",
    "Retry-After",
    "Vary",
    "Warning",
    // how to read the content
    "Content-Encoding",
    "Content-Range",
    "Content-Type",
});

constexpr std::string_view forwarding_prefix = "X-Forwarded-";

}  // namespace

bool is_forbidden_trailer(std::string_view name) {
  return same_variable(name.substr(0, forwarding_prefix.size()), forwarding_prefix) ||
         std::ranges::any_of(forbidden, [&](std::string_view each) { return same_variable(each, name); });
}

}  // namespace hangup::http
