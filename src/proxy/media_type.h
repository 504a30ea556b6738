// What a message's fields say about what its body is.
#pragma once

#include <string_view>

#include <hangup/http/fields.h>

namespace hangup::proxy {

// "application/json", without parameters, in the case that it came in; "" if there is none, or are several.
std::string_view media_type(const http::Fields& fields);
// It has a content coding, other than identity.
bool is_encoded(const http::Fields& fields);

}  // namespace hangup::proxy
