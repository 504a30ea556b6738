#include "http/field_lines.h"

#include "http/chars.h"

namespace hangup::http {
namespace {

// REQUIRES: `lines` starts with a line whose first `name_bytes` bytes only are of a token.
ParseError bad_name(std::string_view lines, std::size_t name_bytes) {
  const char stop = lines[name_bytes];
  if (name_bytes == 0 && is_blank(stop)) return {400, "a field line starts with a blank"};
  if (name_bytes == 0 && stop == ':') return {400, "a field has no name"};
  if (is_blank(stop)) return {400, "a field's name is followed by a blank"};
  if (stop == '\r') return {400, "a field line has no colon"};
  return {400, "a field's name has a character that is not allowed"};
}

}  // namespace

Parsed<void> read_field_lines(std::string_view lines, Fields& fields) {
  while (!lines.empty()) {
    // Neither run can pass the CRLF that ends the lines.
    const std::size_t name_bytes = run_of(lines, token_char);
    if (name_bytes == 0 || lines[name_bytes] != ':') return std::unexpected(bad_name(lines, name_bytes));
    const std::string_view rest = lines.substr(name_bytes + 1);
    const std::size_t value_bytes = run_of_value_chars(rest);
    if (rest[value_bytes] != '\r' || rest[value_bytes + 1] != '\n') {
      return refuse(400, "a field's value has a control character");
    }
    fields.add(lines.substr(0, name_bytes), trim_blanks(rest.substr(0, value_bytes)));
    lines = rest.substr(value_bytes + 2);
  }
  return {};
}

}  // namespace hangup::http
