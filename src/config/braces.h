// What variables look like in templates and in lines of the access log: `{` starts one when a letter follows.
#pragma once

#include <string>
#include <string_view>

namespace hangup::config {

constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// As it is written, "{request.id}".
inline std::string braced(std::string_view name) {
  return "{" + std::string(name) + "}";
}

// Messages show no more of a name that may be anything.
constexpr std::size_t longest_variable_shown = 100;

constexpr std::string_view unclosed_variable =
    "a variable without its }; a plain { before a letter is written {{";

}  // namespace hangup::config
