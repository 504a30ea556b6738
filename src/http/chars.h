// Character classes of RFC 9110 and RFC 9112, as one table.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hangup::http {

enum CharClass : std::uint8_t {
  token_char = 1,   // tchar
  value_char = 2,   // HTAB, SP, VCHAR, obs-text
  target_char = 4,  // what a target may have, '%' included: 0x21 to 0x7e but '#'
  digit_char = 8,
  hex_char = 16,
  host_char = 32,  // unreserved of RFC 3986
};

namespace detail {

constexpr std::array<std::uint8_t, 256> make_char_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned c = 0; c < classes.size(); ++c) {
    const bool digit = c >= '0' && c <= '9';
    const unsigned lower = c | 0x20U;
    const bool letter = lower >= 'a' && lower <= 'z' && c < 0x80;
    const bool hex = digit || (letter && lower <= 'f');
    const auto among = [c](std::string_view set) {
      return c < 0x80 && set.find(static_cast<char>(c)) != std::string_view::npos;
    };
    unsigned bits = 0;
    if (digit || letter || among("!#$%&'*+-.^_`|~")) bits |= token_char;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) bits |= value_char;
    if (c >= 0x21 && c <= 0x7e && c != '#') bits |= target_char;
    if (digit) bits |= digit_char;
    if (hex) bits |= hex_char;
    if (digit || letter || among("-._~")) bits |= host_char;
    classes[c] = static_cast<std::uint8_t>(bits);
  }
  return classes;
}

inline constexpr std::array<std::uint8_t, 256> char_classes = make_char_classes();

}  // namespace detail

constexpr bool is(char c, CharClass char_class) {
  return (detail::char_classes[static_cast<unsigned char>(c)] & char_class) != 0;
}

// How many bytes at the front of `text` are of the class.
constexpr std::size_t run_of(std::string_view text, CharClass char_class) {
  std::size_t length = 0;
  while (length < text.size() && is(text[length], char_class)) ++length;
  return length;
}

constexpr bool all_of(std::string_view text, CharClass char_class) {
  return run_of(text, char_class) == text.size();
}

// REQUIRES: is(c, hex_char)
constexpr unsigned hex_value(char c) {
  return is(c, digit_char) ? static_cast<unsigned>(c - '0') : (static_cast<unsigned>(c) | 0x20U) - 'a' + 10;
}

// Eight bytes as a number of which the first is the lowest.
inline std::uint64_t load_word(const char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return std::endian::native == std::endian::little ? word : std::byteswap(word);
}

// run_of(text, value_char), eight bytes at a time while there is neither a control nor a tab.
inline std::size_t run_of_value_chars(std::string_view text) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t high = 0x8080808080808080;
  constexpr std::size_t step = sizeof(std::uint64_t);
  std::size_t length = 0;
  while (text.size() - length >= step) {
    const std::uint64_t word = load_word(text.data() + length);
    const std::uint64_t below_space = (word - ones * 0x20) & ~word & high;
    const std::uint64_t del = word ^ (ones * 0x7f);
    const std::uint64_t is_del = (del - ones) & ~del & high;
    if (const std::uint64_t odd = below_space | is_del; odd == 0) {
      length += step;
    } else {  // the first that is marked is so rightly: a borrow only reaches those above
      length += static_cast<std::size_t>(std::countr_zero(odd)) / 8;
      if (text[length] != '\t') return length;
      ++length;
    }
  }
  return length + run_of(text.substr(length), value_char);
}

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Without the optional whitespace around it (RFC 9110 section 5.6.3).
constexpr std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Calls visit(member) for each non-empty member of a comma-separated list (RFC 9110 section 5.6.1).
template <typename Visit>
void for_each_member(std::string_view list, Visit visit) {
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view member = trim_blanks(list.substr(0, comma));
    if (!member.empty()) visit(member);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace hangup::http
