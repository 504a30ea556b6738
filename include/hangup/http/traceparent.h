// What stands where in a traceparent field (W3C Trace Context, section 3.2.2):
// "00-<trace id>-<parent id>-<flags>".
#pragma once

#include <string_view>

namespace hangup::http {

// Its trace id, 32 digits, by its place alone; "" of what is too short to have one.
constexpr std::string_view trace_id_of(std::string_view traceparent) {
  return traceparent.size() < 35 ? std::string_view() : traceparent.substr(3, 32);
}

}  // namespace hangup::http
