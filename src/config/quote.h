// How messages show what a file says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hangup::config {

// `text` in backticks, on one line, cut if it is long.
std::string shown(std::string_view text);

// "a", "a or b", "a, b or c".
template <typename Range>
std::string one_of(const Range& names) {
  std::string out;
  std::size_t left = std::size(names);
  for (const auto& name : names) {
    out += name;
    --left;
    if (left > 1) out += ", ";
    if (left == 1) out += " or ";
  }
  return out;
}

// The likely misspelt one of `names`, or empty. Leaves alone what nobody would write, so that it takes no
// time.
std::string_view nearest(std::string_view name, const std::vector<std::string_view>& names);

// "; did you mean `name`?", or nothing for an empty name.
inline std::string did_you_mean(std::string_view name) {
  return name.empty() ? std::string() : "; did you mean " + shown(name) + "?";
}

}  // namespace hangup::config
