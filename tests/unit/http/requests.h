// Requests that differ in one thing, and whether they are taken.
#pragma once

#include "unit/http/feeding.h"

#include <string>
#include <string_view>

namespace hangup::http {

inline std::string with_fields(std::string_view fields) {
  return "POST /x HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

inline std::string with_target(std::string_view target, std::string_view method = "GET") {
  return std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n";
}

inline std::string with_host(std::string_view host) {
  return "GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n";
}

inline int status_of(std::string_view text, const HeadLimits& limits = {}) {
  return feed_request(text, in_one_piece(text), limits).status;
}

inline bool accepts(std::string_view text, const HeadLimits& limits = {}) {
  return feed_request(text, in_one_piece(text), limits).consumed == text.size();
}

}  // namespace hangup::http
