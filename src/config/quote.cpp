#include "config/quote.h"

#include <algorithm>
#include <iterator>

#include <hangup/base/text.h>

namespace hangup::config {

std::string shown(std::string_view text) {
  constexpr std::size_t most_bytes = 60;
  static constexpr char hex[] = "0123456789abcdef";
  const bool is_cut = text.size() > most_bytes;
  if (is_cut) {
    std::size_t end = most_bytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  std::string out = "`";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 0xf];
    } else {
      out += c;
    }
  }
  return out + (is_cut ? "…`" : "`");
}

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& names) {
  constexpr std::size_t longest = 100;
  if (name.size() > longest) return {};
  std::vector<std::string_view> candidates;
  std::ranges::copy_if(names, std::back_inserter(candidates),
                       [](auto text) { return text.size() <= longest; });
  return nearest_name(name, candidates);
}

}  // namespace hangup::config
