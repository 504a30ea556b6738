#include "proxy/error_reply.h"

#include <hangup/base/text.h>
#include <hangup/http/message.h>

namespace hangup::proxy {
namespace {

bool wants_json(const http::Fields& request) {
  for (const http::Field& field : request) {
    if (!equals_ignoring_case(field.name, "accept")) continue;
    if (field.value.find("application/json") != std::string_view::npos) return true;
    if (field.value.find("+json") != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

ErrorReply make_error_reply(int status, std::string_view message, std::string_view request_id,
                            const http::Fields& request) {
  const std::string_view reason = http::reason_phrase(status);
  std::string body;
  if (!wants_json(request)) {
    body.append(std::to_string(status)).append(" ").append(reason).append("\n");
    body.append(message).append("\nrequest id: ").append(request_id).append("\n");
    return {"text/plain; charset=utf-8", std::move(body)};
  }
  body.append(R"({"status":)").append(std::to_string(status)).append(R"(,"reason":")").append(reason);
  body.append(R"(","message":")");
  append_json_escaped(body, message);
  body.append(R"(","request_id":")").append(request_id).append("\"}\n");
  return {"application/json", std::move(body)};
}

}  // namespace hangup::proxy
