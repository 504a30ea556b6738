#include "http/head_scan.h"

#include "http/chars.h"

#include <algorithm>

namespace hangup::http {
namespace {

constexpr std::string_view empty_line = "\r\n";
// Two empty lines may stand before a request line.
constexpr std::size_t max_leading_bytes = 2 * empty_line.size();

// A peer that speaks another protocol is refused by its first bytes, before a line end that may never come.
Parsed<void> check_opening(std::string_view bytes, HeadKind kind) {
  if (kind == HeadKind::request) {
    if (bytes.empty() || bytes[0] == '\r' || bytes[0] == '\n' || is(bytes[0], token_char)) return {};
    return refuse(400, "the request line does not start with a method");
  }
  constexpr std::string_view opening = "HTTP/";
  if (opening.starts_with(bytes.substr(0, opening.size()))) return {};
  return refuse(400, "the response does not start with HTTP/");
}

// The target of a request line whose end has not come.
Parsed<void> check_unfinished_target(std::string_view bytes, const HeadLimits& limits) {
  if (bytes.size() <= std::min(limits.target_bytes, max_method_bytes)) return {};
  while (bytes.starts_with(empty_line)) bytes.remove_prefix(empty_line.size());
  const std::size_t space = bytes.substr(0, max_method_bytes + 1).find(' ');
  if (space == std::string_view::npos) {
    if (bytes.size() > max_method_bytes) return refuse(501, "the method is too long");
    return {};
  }
  constexpr std::string_view rest_of_line = " HTTP/1.1\r";
  if (bytes.size() - (space + 1) <= limits.target_bytes) return {};
  if (bytes.size() - (space + 1) - limits.target_bytes <= rest_of_line.size()) return {};
  return std::unexpected(target_too_long());
}

}  // namespace

ParseError target_too_long() {
  return {414, "the request target is too long"};
}

Parsed<std::size_t> find_head_end(std::string_view bytes, const HeadLimits& limits, HeadKind kind,
                                  HeadScan& scan) {
  if (scan.lines == 0) {
    if (const auto opening = check_opening(bytes, kind); !opening) return std::unexpected(opening.error());
  }
  const std::string_view window = bytes.substr(0, limits.head_bytes);
  while (scan.scanned < window.size()) {
    const std::size_t lf = window.find('\n', scan.scanned);
    if (lf == std::string_view::npos) {
      scan.scanned = window.size();
      break;
    }
    scan.scanned = lf + 1;
    if (lf == 0 || window[lf - 1] != '\r') return refuse(400, "a line ends with LF alone");
    const bool empty = lf == 1 || window[lf - 2] == '\n';
    if (!empty) {
      ++scan.lines;
      if (scan.lines > 1 && scan.lines - 1 > limits.fields)
        return refuse(431, "the head has too many fields");
    } else if (scan.lines > 0) {
      return lf + 1;
    } else if (kind == HeadKind::response || lf >= max_leading_bytes) {
      return refuse(400, "empty lines stand before the start line");
    }
  }
  if (kind == HeadKind::request && scan.lines == 0) {
    if (const auto target = check_unfinished_target(bytes, limits); !target)
      return std::unexpected(target.error());
    if (bytes.size() >= limits.head_bytes) return std::unexpected(target_too_long());
  }
  if (bytes.size() >= limits.head_bytes) return refuse(431, "the head is too large");
  return 0;
}

}  // namespace hangup::http
