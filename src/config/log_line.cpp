#include "config/braces.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include <hangup/base/text.h>
#include <hangup/config/log_line.h>
#include <hangup/http/secret_header.h>

namespace hangup::config {
namespace {

using NamedLogVariable = std::pair<std::string_view, LogVariable>;

constexpr auto log_variables = std::to_array<NamedLogVariable>({
    {"time", LogVariable::time},
    {"time_local", LogVariable::time_local},
    {"request.id", LogVariable::request_id},
    {"trace.id", LogVariable::trace_id},
    {"client.ip", LogVariable::client_ip},
    {"client.port", LogVariable::client_port},
    {"peer.ip", LogVariable::peer_ip},
    {"auth.name", LogVariable::auth_name},
    {"tls_version", LogVariable::tls_version},
    {"tls_cipher", LogVariable::tls_cipher},
    {"request.line", LogVariable::request_line},
    {"request.method", LogVariable::request_method},
    {"request.host", LogVariable::request_host},
    {"request.path", LogVariable::request_path},
    {"route", LogVariable::route},
    {"status", LogVariable::status},
    {"outcome", LogVariable::outcome},
    {"phase", LogVariable::phase},
    {"bytes_in", LogVariable::bytes_in},
    {"bytes_out", LogVariable::bytes_out},
    {"duration_ms", LogVariable::duration_ms},
    {"ttfb_ms", LogVariable::ttfb_ms},
    {"upstream.server", LogVariable::upstream_server},
    {"tried", LogVariable::tried},
    {"upstream_ms", LogVariable::upstream_ms},
    {"abort_us", LogVariable::abort_us},
    {"cleanup", LogVariable::cleanup},
    {"error", LogVariable::error},
});
constexpr std::string_view header_family = "request.header.";

std::expected<LogLine::Value, std::string> find_log_variable(std::string_view name) {
  const std::string shown_name = braced(name.substr(0, longest_variable_shown));
  if (name.starts_with(header_family) && name.size() > header_family.size()) {
    const std::string_view header = name.substr(header_family.size());
    if (http::names_a_secret(header))
      return std::unexpected(shown_name + " may hold a secret, which is never logged");
    return LogLine::Value{.variable = LogVariable::request_header, .name = std::string(header)};
  }
  const auto found = std::ranges::find(log_variables, name, &NamedLogVariable::first);
  if (found != log_variables.end()) return LogLine::Value{.variable = found->second, .name = {}};
  std::vector<std::string_view> names = {"request.header.NAME"};
  for (const auto& each : log_variables) names.push_back(each.first);
  std::string message = "unknown variable " + shown_name + " of the access log";
  if (name.starts_with("request.query"))
    return std::unexpected(message + ": queries may hold secrets and are never logged");
  if (name == "response.status") return std::unexpected(message + ": did you mean {status}?");
  const std::string_view near = nearest_name(name, names);
  return std::unexpected(near.empty() ? message + "; a plain { before a letter is written {{"
                                      : message + ": did you mean " + braced(near) + "?");
}

}  // namespace

std::expected<LogLine, TemplateError> LogLine::parse(std::string_view text) {
  LogLine line;
  line.text_ = text;
  if (const std::size_t at = text.find_first_of("\r\n"); at != std::string_view::npos)
    return std::unexpected(TemplateError{at, "a line of the access log has no line break in it"});
  std::string literal;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size();) {
    const bool opens = text[at] == '{' && at + 1 < text.size();
    if (!opens || !is_letter(text[at + 1])) {
      if (text[at] == '"') quoted = !quoted;
      literal += text[at];
      at += opens && text[at + 1] == '{' ? 2 : 1;
      continue;
    }
    const std::size_t close = text.find('}', at);
    if (close == std::string_view::npos)
      return std::unexpected(TemplateError{at, std::string(unclosed_variable)});
    const std::string_view inside = text.substr(at + 1, close - at - 1);
    const std::size_t bar = inside.find('|');
    auto value = find_log_variable(inside.substr(0, bar));
    if (!value) return std::unexpected(TemplateError{at, std::move(value.error())});
    if (bar != std::string_view::npos) value->fallback = inside.substr(bar + 1);
    value->quoted = quoted;
    if (!literal.empty()) line.segments_.emplace_back(std::exchange(literal, {}));
    line.segments_.emplace_back(*std::move(value));
    at = close + 1;
  }
  if (!literal.empty()) line.segments_.emplace_back(std::move(literal));
  return line;
}

const LogLine& LogLine::combined() {
  static const LogLine line = [] {
    auto parsed = parse(R"({client.ip} - {auth.name} [{time_local}] "{request.line}" {status} {bytes_out} )"
                        R"("{request.header.referer}" "{request.header.user-agent}" )"
                        R"(outcome={outcome} request_id={request.id})");
    if (!parsed) std::abort();
    return *std::move(parsed);
  }();
  return line;
}

}  // namespace hangup::config
