#include "proxy/variables.h"

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

namespace hangup::proxy {
namespace {

std::optional<std::string_view> if_any(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

// The first value of a query parameter, as it stands there: templates encode it for where it goes, so it is
// decoded here.
std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name,
                                                std::string& scratch) {
  const auto decode = [](std::string_view text, std::string& out) {
    const auto hex = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    out.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
        out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
        i += 2;
      } else {
        out += text[i] == '+' ? ' ' : text[i];
      }
    }
  };
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    decode(pair.substr(0, equals), scratch);
    if (scratch != name) continue;
    decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), scratch);
    return scratch;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> ExchangeVariables::value(const config::VariableRef& ref,
                                                         std::string& scratch) const {
  using config::Variable;
  switch (ref.variable) {
    case Variable::request_id:
      return request_id;
    case Variable::request_method:
      return if_any(request->method);
    case Variable::request_path:
      return if_any(request->path);
    case Variable::request_query:
      return if_any(request->query);
    case Variable::request_query_parameter:
      return query_parameter(request->query, ref.name, scratch);
    case Variable::request_header:
      return request->fields.find(ref.name);
    case Variable::request_host:
      return if_any(request->host);
    case Variable::path_capture:
      for (const auto& [name, captured] : *captures) {
        if (name == ref.name) return captured;
      }
      return std::nullopt;
    case Variable::client_ip:
      return client->ip;
    case Variable::client_port:
      scratch = std::to_string(client->port);
      return scratch;
    case Variable::response_status:
      if (status == 0) return std::nullopt;
      scratch = std::to_string(status);
      return scratch;
    case Variable::response_header:
      return response == nullptr ? std::nullopt : response->fields.find(ref.name);
    case Variable::request_json:
    case Variable::response_json:
      return std::nullopt;
    case Variable::route:
      return if_any(route);
    case Variable::upstream_server:
      return if_any(server);
    case Variable::outcome:
      return if_any(outcome);
    case Variable::phase:
      return if_any(phase);
    case Variable::time:
      scratch = fmt::format("{:%Y-%m-%dT%H:%M:%S}Z",
                            fmt::gmtime(std::chrono::system_clock::to_time_t(clock->wall())));
      return scratch;
  }
  return std::nullopt;
}

}  // namespace hangup::proxy
