// Texts with variables in them, "http://127.0.0.1:9000/jobs/{request.id}", compiled when the configuration is
// read and rendered for an exchange. Contract: the template variables of the cleanup call.
//
// `{` starts a variable when a letter follows; any other `{` and every `}` outside a variable stand for
// themselves, so a JSON document needs no escaping; `{{` is one `{`. `{name|default}` has a default, which
// may be empty; `{name|raw}` (or
// `{name|raw|default}`) passes unescaped where escaping would apply. A default is escaped as a value is, but
// passes in a text, whose author wrote it.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hangup::config {

enum class Variable : std::uint8_t {
  request_id,
  trace_id,
  trace_parent,  // the traceparent for what is asked on the exchange's behalf
  request_method,
  request_path,
  request_query,
  request_query_parameter,
  request_header,
  request_host,
  path_capture,
  client_ip,
  client_port,
  client_subject,  // of its certificate, which was verified
  auth_name,       // of the token that let the client in
  response_status,
  response_header,
  request_json,   // a field of the request's JSON body; name is the path, "metadata.ids.0"
  response_json,  // of the response's, or of the data of its first server-sent event
  route,
  upstream_server,
  outcome,
  phase,
  time,
};

struct VariableRef {
  Variable variable;
  std::string name;  // of the header, query parameter or capture, path in the JSON body; else empty
  std::optional<std::string> fallback;
  bool raw = false;

  bool operator==(const VariableRef&) const = default;
};

// "request.header.x-job-id".
std::string variable_name(const VariableRef& ref);

// Where a rendered value will stand, which decides how it is escaped.
enum class Place : std::uint8_t {
  url,  // percent-encoded; raw: refused if a URL can't have it. No value may empty a part of the path or make
        // it a dot segment
  header,  // as it is; refused if it has CR, LF or NUL
  json,    // escaped for the inside of a JSON string
  text,    // only [A-Za-z0-9._~-] passes, anything else is refused, unless raw
};

// What an exchange can say about itself.
class VariableSource {
 public:
  virtual ~VariableSource() = default;
  // nullopt: known, but without a value here. `scratch` may be used to build the value, which may be a view
  // into it; the view is good until the next call.
  virtual std::optional<std::string_view> value(const VariableRef& ref, std::string& scratch) const = 0;
};

struct TemplateError {
  std::size_t offset = 0;  // into the text, where the variable starts
  std::string message;     // "unknown variable {request.idd}: did you mean {request.id}?"
};

class Template {
 public:
  using Segment = std::variant<std::string, VariableRef>;

  static std::expected<Template, TemplateError> parse(std::string_view text);
  // A text without variables that people are not to see; `written` stands for it.
  static Template secret(std::string text, std::string written);

  // The error says which variable has no value, or has one that is not allowed at this place:
  // "{request.header.x-job-id} has no value", fit for `skipped: <reason>` in the log.
  std::expected<std::string, std::string> render(const VariableSource& source, Place place) const;
  // The same into `out`, which was empty; what it holds after an error is of no use.
  std::expected<void, std::string> render_into(std::string& out, const VariableSource& source,
                                               Place place) const;

  const std::vector<Segment>& segments() const { return segments_; }
  bool is_literal() const;
  const std::string& text() const { return text_; }

  // The same with what came from the environment or a file left as it was written, "${STOP_TOKEN}": that may
  // be a secret, so this is what to render for people.
  const Template& as_written() const { return as_written_ == nullptr ? *this : *as_written_; }
  void set_as_written(Template written) {
    as_written_ = std::make_shared<const Template>(std::move(written));
  }

  // By what they render.
  bool operator==(const Template& other) const {
    return text_ == other.text_ && segments_ == other.segments_;
  }

 private:
  std::string text_;
  std::vector<Segment> segments_;
  std::shared_ptr<const Template> as_written_;
};

}  // namespace hangup::config
