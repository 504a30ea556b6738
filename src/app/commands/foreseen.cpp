#include "app/commands/foreseen.h"

#include <fmt/format.h>

#include <algorithm>

#include <hangup/base/outcome.h>

namespace hangup::app::commands {
namespace {

constexpr std::string_view opening = "~-unknown-";
constexpr std::string_view closing = "-unknown-~";

std::string_view unknown(std::string_view name, std::string& scratch) {
  scratch = fmt::format("{}{}{}", opening, name, closing);
  return scratch;
}

}  // namespace

Result<ForeseenRequest> take_apart(const ExplainRequest& asked) {
  ForeseenRequest request;
  request.method = asked.method;
  for (const std::string& line : asked.headers) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0) {
      return std::unexpected(Error{fmt::format("the header \"{}\" is not of the form 'Name: value'", line)});
    }
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    request.headers.emplace_back(line.substr(0, colon), value == std::string::npos ? "" : line.substr(value));
  }
  request.host = request.header("Host").value_or("");

  std::string_view rest = asked.url;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!rest.starts_with(scheme)) continue;
    rest.remove_prefix(scheme.size());
    const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
    request.host = rest.substr(0, end);
    rest.remove_prefix(end);
    if (!rest.starts_with('/')) request.path = "/";
    break;
  }
  if (request.path.empty() && !rest.starts_with('/')) {
    return std::unexpected(
        Error{fmt::format("the URL \"{}\" starts neither with http:// nor with /", asked.url)});
  }
  rest = rest.substr(0, rest.find('#'));
  const std::size_t question = rest.find('?');
  request.path += rest.substr(0, question);
  if (question != std::string_view::npos) request.query = rest.substr(question + 1);
  return request;
}

std::optional<std::string_view> Foreseen::value(const config::VariableRef& ref, std::string& scratch) const {
  using enum config::Variable;
  switch (ref.variable) {
    case request_method:
      return request_.method;
    case request_path:
      return request_.path;
    case request_query:
      return request_.query;
    case request_header:
      return request_.header(ref.name);
    case request_host:
      return request_.host;
    case route:
      return match_.route->name;
    case request_query_parameter:
      return query_parameter(ref.name, scratch);
    case path_capture:
      for (const auto& [name, captured] : match_.captures) {
        if (name == ref.name) return captured;
      }
      return std::nullopt;
    case upstream_server:
      if (match_.route->upstream->servers.size() == 1) return match_.route->upstream->servers.front().url;
      return unknown("upstream.server", scratch);
    case outcome:
      return to_string(Outcome::client_gone);
    case request_id:
      return unknown("request.id", scratch);
    case trace_id:
      return unknown("trace.id", scratch);
    case trace_parent:
      return unknown("trace.parent", scratch);
    case client_ip:
      return unknown("client.ip", scratch);
    case client_port:
      return unknown("client.port", scratch);
    case client_subject:
      return unknown("client.subject", scratch);
    case auth_name:
      return unknown("auth.name", scratch);
    case response_status:
      return unknown("response.status", scratch);
    case response_header:
      return unknown("response.header." + ref.name, scratch);
    case request_json:
      return unknown("request.json." + ref.name, scratch);
    case response_json:
      return unknown("response.json." + ref.name, scratch);
    case phase:
      return unknown("phase", scratch);
    case time:
      return unknown("time", scratch);
  }
  return std::nullopt;
}

std::string Foreseen::show(std::string rendered) {
  for (auto [mark, shown] : {std::pair{opening, "<"}, std::pair{closing, ">"}}) {
    for (std::size_t at = 0; (at = rendered.find(mark, at)) != std::string::npos;)
      rendered.replace(at, mark.size(), shown);
  }
  return rendered;
}

std::optional<std::string_view> Foreseen::query_parameter(std::string_view name, std::string& scratch) const {
  for (std::string_view rest = request_.query; !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (pair.substr(0, pair.find('=')) != name) continue;
    scratch = pair.size() > name.size() ? pair.substr(name.size() + 1) : "";
    return scratch;
  }
  return std::nullopt;
}

}  // namespace hangup::app::commands
