// Small things done to text: escaping, and comparing as HTTP does.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hangup {

// ASCII case-insensitive, as field names and most tokens of HTTP compare (RFC 9110 section 5.1).
bool equals_ignoring_case(std::string_view a, std::string_view b);

// What a URI never needs to encode (RFC 3986 section 2.3).
constexpr bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// Appends `value` with everything but RFC 3986 unreserved characters percent-encoded.
void append_percent_encoded(std::string& out, std::string_view value);

// The length of the well-formed UTF-8 sequence of more than one byte at the front of `text`, which is not
// empty (Unicode 15, table 3-7); 0 if there is none.
std::size_t utf8_sequence(std::string_view text);

// Appends `value` escaped for the inside of a JSON string (RFC 8259 section 7), without the quotes. Bytes
// that are not UTF-8 become U+FFFD, so that the document stays valid.
void append_json_escaped(std::string& out, std::string_view value);
// How much of the front is to be escaped in no way. May be less than all of that where `value` is not ASCII.
std::size_t plain_json_prefix(std::string_view value);

// The candidate nearest to `name` by edit distance, if near enough to be a likely misspelling; else empty.
template <typename Range>
std::string_view nearest_name(std::string_view name, const Range& candidates);

std::size_t edit_distance(std::string_view a, std::string_view b);

template <typename Range>
std::string_view nearest_name(std::string_view name, const Range& candidates) {
  std::string_view best;
  std::size_t best_distance = name.size() / 3 + 2;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace hangup
