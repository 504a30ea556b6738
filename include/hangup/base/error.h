// An error that can happen, as a value: a message fit to show to the person who can mend it.
#pragma once

#include <expected>
#include <string>

namespace hangup {

struct Error {
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;

}  // namespace hangup
