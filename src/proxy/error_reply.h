// The answers that hangup gives by itself.
#pragma once

#include <string>
#include <string_view>

#include <hangup/http/fields.h>

namespace hangup::proxy {

struct ErrorReply {
  std::string_view content_type;
  std::string body;
};

// A small body that says what happened, in JSON if the request's Accept asks for it, else in text.
ErrorReply make_error_reply(int status, std::string_view message, std::string_view request_id,
                            const http::Fields& request);

}  // namespace hangup::proxy
