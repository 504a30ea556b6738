// The ways in which the same bytes can arrive.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace hangup::http {

// Where the pieces end, the last one at the end of the text.
using Cuts = std::vector<std::size_t>;

inline Cuts in_one_piece(std::string_view text) {
  return {text.size()};
}

inline Cuts byte_by_byte(std::string_view text) {
  Cuts cuts;
  for (std::size_t end = 1; end <= text.size(); ++end) cuts.push_back(end);
  return cuts;
}

// One piece, byte by byte, and each split into two.
inline std::vector<Cuts> all_ways(std::string_view text) {
  std::vector<Cuts> ways = {in_one_piece(text), byte_by_byte(text)};
  for (std::size_t cut = 1; cut < text.size(); ++cut) ways.push_back({cut, text.size()});
  return ways;
}

}  // namespace hangup::http
