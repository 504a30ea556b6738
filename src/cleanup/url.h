// The parts of a receiver's URL that a request needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <hangup/base/error.h>

namespace hangup::cleanup {

struct Url {
  bool https = false;
  std::string host;  // a name or a number, lower case, an IPv6 address without brackets
  std::uint16_t port = 80;
  std::string authority;  // as written: the value of Host
  std::string target;     // path and query

  // Names the receiver, "http host port": what shares connections and a concurrency bound.
  std::string receiver() const;
};

// Absolute, http or https, no user information; a fragment is dropped. Strict: nothing passes that could not
// stand in a request line or in Host. The error says what is wrong with it.
Result<Url> parse_url(std::string_view text);

// For logs: a query may hold secrets.
std::string_view without_query(std::string_view url);

}  // namespace hangup::cleanup
