// One line of an access log as the configuration writes it, `{client.ip} "{request.method}" {status}`,
// compiled. As in other templates `{` starts a variable when a letter follows, `{{` is one `{`, and
// `{name|default}` has a default; what has neither value nor default is written as `-`.
//
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <hangup/config/template.h>

namespace hangup::config {

// What is known of an exchange once it has ended: the names of templates where they have one, else of the
// JSON line's fields.
enum class LogVariable : std::uint8_t {
  time,        // when it began: "2026-01-02T03:04:05.067Z"
  time_local,  // as nginx writes it, in UTC: "02/Jan/2026:03:04:05 +0000"
  request_id,
  trace_id,
  client_ip,
  client_port,
  peer_ip,
  auth_name,
  tls_version,
  tls_cipher,
  request_line,  // "GET /path HTTP/1.1"
  request_method,
  request_host,
  request_path,
  request_header,
  route,
  status,
  outcome,
  phase,
  bytes_in,
  bytes_out,
  duration_ms,
  ttfb_ms,
  upstream_server,
  tried,  // the servers before it
  upstream_ms,
  abort_us,
  cleanup,
  error,
};

class LogLine {
 public:
  struct Value {
    LogVariable variable = LogVariable::time;
    std::string name;  // of the header
    std::string fallback = "-";
    bool quoted = false;  // stands between double quotes, so that it may have blanks in it
  };
  using Segment = std::variant<std::string, Value>;

  static std::expected<LogLine, TemplateError> parse(std::string_view text);
  // nginx's combined line, with outcome and request id.
  static const LogLine& combined();

  const std::vector<Segment>& segments() const { return segments_; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::vector<Segment> segments_;
};

}  // namespace hangup::config
