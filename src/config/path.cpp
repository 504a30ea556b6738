#include "config/quote.h"

#include <algorithm>
#include <vector>

#include <hangup/base/hex.h>
#include <hangup/base/text.h>
#include <hangup/config/path.h>

namespace hangup::config {
namespace {

constexpr char hex_upper[] = "0123456789ABCDEF";

// The byte that the percent-encoding at the front of `text` stands for, or -1.
constexpr int encoded_byte(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = hex_digit_value(text[1]);
  const int low = hex_digit_value(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void append_encoded(std::string& out, unsigned char byte) {
  out += '%';
  out += hex_upper[byte >> 4];
  out += hex_upper[byte & 0xf];
}

// What may stand in a segment as it is (pchar of RFC 3986 section 3.3).
constexpr bool stands_raw(char c) {
  return is_unreserved(c) || std::string_view("!$&'()*+,;=:@").contains(c);
}

// Each byte, decoded if it was encoded, as it is where keeps(byte, was encoded) says so, else encoded.
template <typename Keeps>
std::string respelled(std::string_view path, Keeps keeps) {
  std::string out;
  out.reserve(path.size());
  while (!path.empty()) {
    const int decoded = encoded_byte(path);
    const bool was_encoded = decoded >= 0;
    const char c = was_encoded ? static_cast<char>(decoded) : path.front();
    if (keeps(c, was_encoded)) {
      out += c;
    } else {
      append_encoded(out, static_cast<unsigned char>(c));
    }
    path.remove_prefix(was_encoded ? 3 : 1);
  }
  return out;
}

std::string with_one_spelling(std::string_view path) {
  return respelled(path, [](char c, bool was_encoded) { return !was_encoded || is_unreserved(c); });
}

// Servers that decode a path take all spellings for one.
std::string with_spelling_to_compare(std::string_view path) {
  return respelled(path, [](char c, bool was_encoded) {
    return stands_raw(c) || (!was_encoded && (c == '/' || c == '%'));
  });
}

// RFC 3986 section 5.2.4, for a path that starts with a slash.
void append_without_dot_segments(std::string& out, std::string_view path) {
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(0, end);  // with the slash before it
    const bool is_last = end == path.size();
    path.remove_prefix(end);
    if (segment == "/.") {
      if (is_last) out += '/';
    } else if (segment == "/..") {
      out.resize(out.empty() ? 0 : out.rfind('/'));
      if (is_last) out += '/';
    } else {
      out += segment;
    }
  }
}

bool is_ambiguous_segment(std::string_view segment) {
  const std::string plain = percent_decoded(segment);
  if (plain.find_first_of("/\\") != std::string::npos) return true;
  const std::string_view name = std::string_view(plain).substr(0, plain.find(';'));
  return (name == "." || name == "..") && name != segment;
}

constexpr bool is_capture_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::unexpected<PatternError> wrong(std::size_t offset, std::string message) {
  return std::unexpected(PatternError{offset, std::move(message)});
}

// "{id}", with the names that were captured before it.
std::expected<PathPattern::Segment, PatternError> compile_capture(std::string_view text, std::size_t offset,
                                                                  const PathPattern& before) {
  const std::string_view name = text.substr(1, text.size() - 2);
  if (name.empty() || !std::ranges::all_of(name, is_capture_char)) {
    return wrong(offset, shown(text) + ": a capture is named with letters, digits, _ and -, as in {id}");
  }
  const auto is_same = [&](const auto& other) { return other.capture && other.text == name; };
  if (std::ranges::any_of(before.segments, is_same)) {
    return wrong(offset, shown(text) + " is captured twice in this path");
  }
  return PathPattern::Segment{true, std::string(name)};
}

// A segment as it stands, in the one spelling that paths are compared in.
std::expected<PathPattern::Segment, PatternError> compile_literal(std::string_view text, std::size_t offset) {
  if (text.find_first_of("{}*") != std::string_view::npos) {
    return wrong(offset,
                 shown(text) + ": {name} stands for a whole segment, and * only for the rest at the end, /*");
  }
  if (const std::size_t at = text.find_first_of("?#"); at != std::string_view::npos) {
    return wrong(offset + at, shown(text) + ": a path has no query and no fragment");
  }
  std::string spelled = with_spelling_to_compare(text);
  if (spelled == "." || spelled == "..") {
    return wrong(offset, shown(text) + ": dot segments are removed before a path is compared");
  }
  return PathPattern::Segment{false, std::move(spelled)};
}

}  // namespace

std::string_view normalised_path(std::string_view path, std::string& scratch) {
  if (path.find('%') == std::string_view::npos) {
    if (path.find("/.") == std::string_view::npos) return path;
    scratch.clear();
    append_without_dot_segments(scratch, path);
    return scratch;
  }
  const std::string spelled = with_one_spelling(path);
  scratch.clear();
  append_without_dot_segments(scratch, spelled);
  return scratch;
}

std::string_view comparable_path(std::string_view path, std::string& scratch) {
  const auto is_plain = [](char c) { return c == '/' || stands_raw(c); };
  if (std::ranges::all_of(path, is_plain)) return normalised_path(path, scratch);
  const std::string spelled = with_spelling_to_compare(path);
  scratch.clear();
  append_without_dot_segments(scratch, spelled);
  return scratch;
}

bool is_ambiguous_path(std::string_view path) {
  if (path.find("//") != std::string_view::npos) return true;
  if (path.find_first_of("%\\;") == std::string_view::npos) return false;
  while (!path.empty()) {
    const std::string_view segment = path.substr(0, path.find('/'));
    if (is_ambiguous_segment(segment)) return true;
    path.remove_prefix(std::min(path.size(), segment.size() + 1));
  }
  return false;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const int byte = encoded_byte(text);
    out += byte < 0 ? text.front() : static_cast<char>(byte);
    text.remove_prefix(byte < 0 ? 1 : 3);
  }
  return out;
}

std::expected<PathPattern, PatternError> compile_path_pattern(std::string_view text) {
  if (!text.starts_with('/')) return wrong(0, shown(text) + ": a path starts with /");
  PathPattern pattern;
  pattern.text = text;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t start = at + 1;
    at = std::min(text.find('/', start), text.size());
    const std::string_view part = text.substr(start, at - start);
    if (part == "*" && at == text.size()) {
      pattern.prefix = true;
      break;
    }
    const bool is_capture = part.size() >= 2 && part.front() == '{' && part.find('}') == part.size() - 1;
    auto segment = is_capture ? compile_capture(part, start, pattern) : compile_literal(part, start);
    if (!segment) return std::unexpected(std::move(segment.error()));
    pattern.segments.push_back(std::move(*segment));
  }
  return pattern;
}

}  // namespace hangup::config
