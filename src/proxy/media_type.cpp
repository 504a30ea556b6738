#include "proxy/media_type.h"

#include <algorithm>

#include <hangup/base/text.h>

namespace hangup::proxy {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  const std::size_t start = std::min(text.find_first_not_of(blanks), text.size());
  text.remove_prefix(start);
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

}  // namespace

std::string_view media_type(const http::Fields& fields) {
  if (fields.count("content-type") != 1) return {};
  const std::string_view value = *fields.find("content-type");
  return trimmed(value.substr(0, value.find(';')));
}

bool is_encoded(const http::Fields& fields) {
  return std::ranges::any_of(fields, [](const http::Field& field) {
    return equals_ignoring_case(field.name, "content-encoding") && !trimmed(field.value).empty() &&
           !equals_ignoring_case(trimmed(field.value), "identity");
  });
}

}  // namespace hangup::proxy
