#include <algorithm>

#include <hangup/base/hex.h>
#include <hangup/http/json_scanner.h>

namespace hangup::http {
namespace {

constexpr bool is_white_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

constexpr bool is_plain(char c) {
  return c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
}

}  // namespace

bool JsonScanner::feed(std::string_view bytes) {
  if (failed()) return false;
  const std::uint64_t base = offset_;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (state_ == State::string) {
      const auto* const next =
          std::find_if_not(bytes.begin() + static_cast<std::ptrdiff_t>(i), bytes.end(), is_plain);
      i = static_cast<std::size_t>(next - bytes.begin());
      if (i == bytes.size()) break;
    }
    offset_ = base + i;
    if (!take(bytes[i], offset_)) return false;
  }
  offset_ = base + bytes.size();
  return true;
}

bool JsonScanner::finish() {
  if (failed()) return false;
  if (is_whole_number()) end_value(Kind::number, offset_);
  if (state_ == State::after_value && depth_ == 0) return true;
  fault_ = "it ends too early";
  return false;
}

bool JsonScanner::take(char c, std::uint64_t at) {
  switch (state_) {
    case State::value:
    case State::value_or_end:
    case State::key_or_end:
    case State::key:
    case State::colon:
      return is_white_space(c) || take_structure(c, at);
    case State::after_value:
      return is_white_space(c) || take_after_value(c, at);
    case State::string:
    case State::escape:
    case State::hex:
      return take_string(c, at);
    case State::literal:
      if (c != literal_.front()) return fail("a value is misspelt");
      literal_.remove_prefix(1);
      if (literal_.empty()) end_value(Kind::literal, at + 1);
      return true;
    case State::failed:
      return false;
    default:
      return take_number(c, at);
  }
}

bool JsonScanner::take_structure(char c, std::uint64_t at) {
  switch (state_) {
    case State::value_or_end:
      if (c == ']') return close(Kind::array, at);
      return start_value(c, at);
    case State::key_or_end:
      if (c == '}') return close(Kind::object, at);
      [[fallthrough]];
    case State::key:
      if (c != '"') return fail("a key in quotes is missing");
      in_key_ = true;
      state_ = State::string;
      handler_->on_start(Kind::key, at);
      return true;
    case State::colon:
      if (c != ':') return fail("a colon is missing");
      state_ = State::value;
      return true;
    default:
      return start_value(c, at);
  }
}

bool JsonScanner::take_after_value(char c, std::uint64_t at) {
  if (depth_ == 0) return fail("something follows its end");
  const bool in_object = objects_[depth_ - 1];
  if (c == ',') {
    state_ = in_object ? State::key : State::value;
    return true;
  }
  if (c == (in_object ? '}' : ']')) return close(in_object ? Kind::object : Kind::array, at);
  return fail("a comma or a closing bracket is missing");
}

bool JsonScanner::start_value(char c, std::uint64_t at) {
  const auto start = [&](Kind kind, State state) {
    state_ = state;
    handler_->on_start(kind, at);
    return true;
  };
  const auto start_literal = [&](std::string_view rest) {
    literal_ = rest;
    return start(Kind::literal, State::literal);
  };
  switch (c) {
    case '{':
      return open(Kind::object, at);
    case '[':
      return open(Kind::array, at);
    case '"':
      in_key_ = false;
      return start(Kind::string, State::string);
    case '-':
      return start(Kind::number, State::minus);
    case '0':
      return start(Kind::number, State::zero);
    case 't':
      return start_literal("rue");
    case 'f':
      return start_literal("alse");
    case 'n':
      return start_literal("ull");
    default:
      return is_digit(c) ? start(Kind::number, State::integer) : fail("a value is missing");
  }
}

bool JsonScanner::take_string(char c, std::uint64_t at) {
  if (state_ == State::hex) {
    if (hex_digit_value(c) < 0) return fail("\\u is not followed by four hexadecimal digits");
    if (++hex_digits_ == 4) state_ = State::string;
    return true;
  }
  if (state_ == State::escape) {
    hex_digits_ = 0;
    if (c != 'u' && !std::string_view("\"\\/bfnrt").contains(c)) return fail("an unknown escape");
    state_ = c == 'u' ? State::hex : State::string;
    return true;
  }
  if (c == '\\') {
    state_ = State::escape;
  } else if (c != '"') {
    return fail("a control character in a string");
  } else if (in_key_) {
    state_ = State::colon;
    handler_->on_end(Kind::key, at + 1);
  } else {
    end_value(Kind::string, at + 1);
  }
  return true;
}

bool JsonScanner::take_number(char c, std::uint64_t at) {
  const bool digit = is_digit(c);
  const auto go = [this](State state) {
    state_ = state;
    return true;
  };
  switch (state_) {
    case State::minus:
      if (digit) return go(c == '0' ? State::zero : State::integer);
      break;
    case State::integer:
      if (digit) return true;
      [[fallthrough]];
    case State::zero:
      if (c == '.') return go(State::point);
      if (c == 'e' || c == 'E') return go(State::exponent);
      break;
    case State::point:
      if (digit) return go(State::fraction);
      break;
    case State::fraction:
      if (digit) return true;
      if (c == 'e' || c == 'E') return go(State::exponent);
      break;
    case State::exponent:
      if (c == '+' || c == '-') return go(State::exponent_sign);
      [[fallthrough]];
    case State::exponent_sign:
      if (digit) return go(State::exponent_digits);
      break;
    default:
      if (digit) return true;
      break;
  }
  if (!is_whole_number()) return fail("a number lacks digits");
  end_value(Kind::number, at);
  return take(c, at);
}

bool JsonScanner::is_whole_number() const {
  return state_ == State::zero || state_ == State::integer || state_ == State::fraction ||
         state_ == State::exponent_digits;
}

bool JsonScanner::open(Kind kind, std::uint64_t at) {
  if (depth_ == most_depth) return fail("it is nested too deeply");
  objects_[depth_++] = kind == Kind::object;
  state_ = kind == Kind::object ? State::key_or_end : State::value_or_end;
  handler_->on_start(kind, at);
  return true;
}

bool JsonScanner::close(Kind kind, std::uint64_t at) {
  --depth_;
  end_value(kind, at + 1);
  return true;
}

void JsonScanner::end_value(Kind kind, std::uint64_t end) {
  state_ = State::after_value;
  handler_->on_end(kind, end);
}

bool JsonScanner::fail(std::string_view fault) {
  state_ = State::failed;
  fault_ = fault;
  return false;
}

namespace {

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&](std::uint32_t value) { out += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xc0 | (code >> 6));
    byte(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    byte(0xe0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3f));
    byte(0x80 | (code & 0x3f));
  } else {
    byte(0xf0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3f));
    byte(0x80 | ((code >> 6) & 0x3f));
    byte(0x80 | (code & 0x3f));
  }
}

// Four hexadecimal digits at the front of `text`, which follow a `\u`.
std::uint32_t four_digits(std::string_view text) {
  std::uint32_t code = 0;
  for (const char c : text.substr(0, 4)) code = code * 16 + static_cast<std::uint32_t>(hex_digit_value(c));
  return code;
}

// The character whose digits start at `at`; `at` is then behind it, and behind its other half.
std::uint32_t unicode_escape(std::string_view inside, std::size_t& at) {
  constexpr std::uint32_t replacement = 0xfffd;
  const auto in = [](std::uint32_t code, std::uint32_t low, std::uint32_t high) {
    return code >= low && code <= high;
  };
  const std::uint32_t code = four_digits(inside.substr(at));
  at += 4;
  if (!in(code, 0xd800, 0xdfff)) return code;
  if (code > 0xdbff || !inside.substr(at).starts_with("\\u")) return replacement;
  const std::uint32_t other = four_digits(inside.substr(at + 2));
  if (!in(other, 0xdc00, 0xdfff)) return replacement;
  at += 6;
  return 0x10000 + ((code - 0xd800) << 10) + (other - 0xdc00);
}

}  // namespace

std::string json_unescaped(std::string_view inside) {
  std::string out;
  std::size_t at = 0;
  while (at < inside.size()) {
    const std::size_t escape = std::min(inside.find('\\', at), inside.size());
    out += inside.substr(at, escape - at);
    if (escape + 1 >= inside.size()) break;
    const char c = inside[escape + 1];
    at = escape + 2;
    constexpr std::string_view letters = "bfnrt";
    constexpr std::string_view meanings = "\b\f\n\r\t";
    if (c == 'u') {
      append_utf8(out, unicode_escape(inside, at));
    } else if (const std::size_t letter = letters.find(c); letter != std::string_view::npos) {
      out += meanings[letter];
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace hangup::http
