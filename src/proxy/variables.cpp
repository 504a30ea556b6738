#include "proxy/variables.h"

#include "proxy/json_capture.h"
#include "proxy/query.h"

#include <algorithm>

#include <hangup/base/utc.h>

namespace hangup::proxy {
namespace {

std::optional<std::string_view> if_any(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

}  // namespace

std::optional<std::string_view> ExchangeVariables::value(const config::VariableRef& ref,
                                                         std::string& scratch) const {
  using config::Variable;
  switch (ref.variable) {
    case Variable::request_id:
      return request_id;
    case Variable::trace_id:
      return if_any(trace_id);
    case Variable::trace_parent:
      return if_any(trace_parent);
    case Variable::request_method:
      return if_any(request->method);
    case Variable::request_path:
      return if_any(request->path);
    case Variable::request_query:
      return if_any(request->query);
    case Variable::request_query_parameter:
      return query_parameter(request->query, ref.name, scratch);
    case Variable::request_header:
      // What a client says there itself is not forwarded either.
      if (std::ranges::any_of(subject_headers,
                              [&](const auto& own) { return http::same_variable(own, ref.name); }))
        return if_any(client->subject);
      return request->fields.find(ref.name);
    case Variable::request_host:
      return if_any(request->host);
    case Variable::path_capture:
      for (const auto& [name, captured] : *captures) {
        if (name == ref.name) return captured;
      }
      return std::nullopt;
    case Variable::client_ip:
      return origin->ip;
    case Variable::client_port:
      scratch = std::to_string(origin->port);
      return scratch;
    case Variable::client_subject:
      return if_any(client->subject);
    case Variable::auth_name:
      return if_any(user);
    case Variable::response_status:
      if (status == 0) return std::nullopt;
      scratch = std::to_string(status);
      return scratch;
    case Variable::response_header:
      return response == nullptr ? std::nullopt : response->fields.find(ref.name);
    case Variable::request_json:
      return request_json == nullptr ? std::nullopt : request_json->value(ref.name);
    case Variable::response_json:
      return response_json == nullptr ? std::nullopt : response_json->value(ref.name);
    case Variable::route:
      return if_any(route);
    case Variable::upstream_server:
      return if_any(server);
    case Variable::outcome:
      return if_any(outcome);
    case Variable::phase:
      return if_any(phase);
    case Variable::time:
      scratch = utc_seconds(clock->wall());
      return scratch;
  }
  return std::nullopt;
}

}  // namespace hangup::proxy
