// What the fields of a head say about its message as a whole: where the body ends, whether the connection
// stays.
#pragma once

#include "http/parsed.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace hangup::http {

// The fields that decide about a message, gathered in one pass.
struct Controls {
  std::size_t hosts = 0;
  std::size_t content_lengths = 0;
  std::size_t transfer_encodings = 0;
  std::string_view host;  // the last of each
  std::string_view content_length;
  std::string_view transfer_encoding;
  bool close = false;  // in any Connection list
  bool keep_alive = false;
  bool expects_continue = false;
  bool expects_more = false;  // something else than 100-continue

  bool persistent(Version version) const { return !close && (version == Version::http11 || keep_alive); }
};

Controls gather_controls(const Fields& fields);

// RFC 9112 section 6.3, without what it says to mend.
Parsed<Framing> request_framing(const Controls& controls, std::string_view method, Version version);
Parsed<Framing> response_framing(const Controls& controls, std::string_view request_method, int status,
                                 Version version);

// "HTTP/1.0", or "HTTP/1.1" and what is later but of the same major version (RFC 9110 section 2.5). A later
// major version is 505, anything else 400.
Parsed<Version> parse_version(std::string_view text);

}  // namespace hangup::http
