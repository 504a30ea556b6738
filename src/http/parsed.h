// What every step of parsing gives: a value, or why the message is refused.
#pragma once

#include <expected>
#include <string_view>

#include <hangup/http/message.h>

namespace hangup::http {

template <typename T>
using Parsed = std::expected<T, ParseError>;

inline std::unexpected<ParseError> refuse(int status, std::string_view message) {
  return std::unexpected(ParseError{status, std::string(message)});
}

}  // namespace hangup::http
