// Which headers are not shown by any message, log or command.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace hangup::http {

// A name under which values are often secret.
inline bool names_a_secret(std::string_view header) {
  std::string lower(header);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  constexpr std::array<std::string_view, 6> words = {"auth", "cookie", "key", "passw", "secret", "token"};
  return std::ranges::any_of(words, [&](std::string_view word) { return lower.contains(word); });
}

}  // namespace hangup::http
