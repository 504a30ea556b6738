// Which fields a trailer section may not have.
#pragma once

#include <string_view>

namespace hangup::http {

// Fields for framing, routing, authentication, request modifiers, response control and how to read the
// content, which are acted on before a trailer comes (RFC 9110 section 6.5.1), and those by which proxies
// tell who the client is.
bool is_forbidden_trailer(std::string_view name);

}  // namespace hangup::http
