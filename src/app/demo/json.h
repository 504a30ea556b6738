// Reading documents that may be of any shape.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace hangup::app::demo {

// The string at an RFC 6901 pointer; "" when there is none.
inline std::string text_at(const nlohmann::json& document, const char* pointer) {
  const nlohmann::json::json_pointer at(pointer);
  if (!document.contains(at) || !document[at].is_string()) return {};
  return document[at].get<std::string>();
}

}  // namespace hangup::app::demo
