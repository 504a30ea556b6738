// Paths as routes compare them, and the patterns they are compared with.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include <hangup/config/config.h>

namespace hangup::config {

// The path with percent-encoded unreserved characters decoded, the hexadecimal digits of the others in upper
// case, and dot segments removed (RFC 3986 section 6.2.2), so that one path has one spelling. Returns `path`
// itself, without allocating, if that is it already; else a view into `scratch`.
std::string_view normalised_path(std::string_view path, std::string& scratch);

// As the segments of patterns are written: beyond that, each character that may stand in a segment as it is
// does so, and every other is encoded. For comparing alone: it is not what is forwarded.
std::string_view comparable_path(std::string_view path, std::string& scratch);

// Whether servers are known to read the path in different ways: a slash or backslash that is encoded, a
// backslash, an empty segment in the middle, and a dot segment that is encoded or has parameters ("..;x").
bool is_ambiguous_path(std::string_view path);

// Every valid percent-encoding decoded; anything else as it is.
std::string percent_decoded(std::string_view text);

struct PatternError {
  std::size_t offset = 0;  // into the text
  std::string message;
};

// Compiles "/exact", "/reports/{id}" or "/assets/*".
std::expected<PathPattern, PatternError> compile_path_pattern(std::string_view text);

}  // namespace hangup::config
