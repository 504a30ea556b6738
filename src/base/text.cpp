#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include <hangup/base/text.h>

namespace hangup {
namespace {

constexpr char hex_upper[] = "0123456789ABCDEF";
constexpr char hex_lower[] = "0123456789abcdef";

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto continues = [&](std::size_t i, std::uint8_t low = 0x80, std::uint8_t high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const std::uint8_t first = byte(0);
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const std::uint8_t low = first == 0xe0 ? 0xa0 : 0x80;
    const std::uint8_t high = first == 0xed ? 0x9f : 0xbf;  // no surrogates
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const std::uint8_t low = first == 0xf0 ? 0x90 : 0x80;
    const std::uint8_t high = first == 0xf4 ? 0x8f : 0xbf;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

void append_percent_encoded(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      out += '%';
      out += hex_upper[byte >> 4];
      out += hex_upper[byte & 0x0f];
    }
  }
}

// Eight bytes at a time: the high bit of each byte of `odd` is set where one is not plain ASCII of JSON. A
// borrow may set one too many above one that is set rightly, never one alone.
std::size_t plain_json_prefix(std::string_view value) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t high = ones * 0x80;
  const auto zero_bytes = [](std::uint64_t word) { return (word - ones) & ~word; };
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= value.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, value.data() + at, sizeof word);
    const std::uint64_t control = word - ones * 0x20;
    const std::uint64_t odd = word | control | zero_bytes(word ^ (ones * '"')) |
                              zero_bytes(word ^ (ones * '\\')) | zero_bytes(word ^ (ones * 0x7f));
    if ((odd & high) != 0) break;
  }
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
  while (at < value.size() && is_plain(value[at])) ++at;
  return at;
}

void append_json_escaped(std::string& out, std::string_view value) {
  std::size_t plain = 0;  // start of the run that needs nothing
  std::size_t at = plain_json_prefix(value);
  const auto take_run = [&] { out.append(value, plain, at - plain); };
  while (at < value.size()) {
    const auto byte = static_cast<std::uint8_t>(value[at]);
    if (byte >= 0x80) {
      if (const std::size_t length = utf8_sequence(value.substr(at)); length != 0) {
        at += length;
        continue;
      }
      take_run();
      out += "\xef\xbf\xbd";
      plain = ++at;
    } else if (byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f) {
      take_run();
      if (byte == '"' || byte == '\\') {
        out += '\\';
        out += static_cast<char>(byte);
      } else if (byte == '\n') {
        out += "\\n";
      } else {
        out += "\\u00";
        out += hex_lower[byte >> 4];
        out += hex_lower[byte & 0x0f];
      }
      plain = ++at;
    } else {
      ++at;
    }
  }
  take_run();
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace hangup
