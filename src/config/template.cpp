#include "config/braces.h"

#include <algorithm>
#include <array>
#include <utility>

#include <hangup/base/text.h>
#include <hangup/config/template.h>

namespace hangup::config {
namespace {

struct Named {
  std::string_view name;
  Variable variable;
};

constexpr std::array<Named, 17> plain_names = {{
    {"request.id", Variable::request_id},
    {"trace.id", Variable::trace_id},
    {"trace.parent", Variable::trace_parent},
    {"request.method", Variable::request_method},
    {"request.path", Variable::request_path},
    {"request.query", Variable::request_query},
    {"request.host", Variable::request_host},
    {"client.ip", Variable::client_ip},
    {"client.port", Variable::client_port},
    {"client.subject", Variable::client_subject},
    {"auth.name", Variable::auth_name},
    {"response.status", Variable::response_status},
    {"route", Variable::route},
    {"upstream.server", Variable::upstream_server},
    {"outcome", Variable::outcome},
    {"phase", Variable::phase},
    {"time", Variable::time},
}};

// Followed by a dot and the name of what is meant.
constexpr std::array<Named, 6> families = {{
    {"request.query", Variable::request_query_parameter},
    {"request.header", Variable::request_header},
    {"request.json", Variable::request_json},
    {"path", Variable::path_capture},
    {"response.header", Variable::response_header},
    {"response.json", Variable::response_json},
}};

constexpr std::size_t most_json_parts = 16;

constexpr bool is_token_char(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

// "request.header" of "request.header.x-job-id", "path" of "path.id"; all of it if there is no such part.
std::string_view family_part(std::string_view name) {
  const std::size_t first = name.find('.');
  const std::string_view head = name.substr(0, first);
  if (head == "path" || first == std::string_view::npos) return head;
  const std::size_t second = name.find('.', first + 1);
  return second == std::string_view::npos ? head : name.substr(0, second);
}

std::string unknown_variable(std::string_view name) {
  const std::string message = "unknown variable " + braced(name.substr(0, longest_variable_shown));
  if (name.size() > longest_variable_shown) return message;
  std::vector<std::string_view> names;
  for (const Named& named : plain_names) names.push_back(named.name);
  if (const auto near = nearest_name(name, names); !near.empty()) {
    return message + ": did you mean " + braced(near) + "?";
  }
  names.clear();
  for (const Named& family : families) names.push_back(family.name);
  const std::string_view part = family_part(name);
  if (const auto near = nearest_name(part, names); !near.empty() && part.size() < name.size()) {
    return message + ": did you mean " + braced(std::string(near) + std::string(name.substr(part.size()))) +
           "?";
  }
  return message + "; a plain { before a letter is written {{";
}

// What is wrong with the name that follows a family's, or nothing.
std::string_view fault_of_name(Variable family, std::string_view name) {
  if (family == Variable::request_header || family == Variable::response_header) {
    return std::ranges::all_of(name, is_token_char) ? "" : "names no valid header";
  }
  if (family == Variable::request_json || family == Variable::response_json) {
    if (name.starts_with('.') || name.ends_with('.') || name.contains("..")) {
      return "has an empty part: a field's path is keys with one dot between two of them";
    }
    if (std::ranges::count(name, '.') >= static_cast<std::ptrdiff_t>(most_json_parts)) {
      return "has more than 16 parts";
    }
  }
  return {};
}

std::expected<VariableRef, std::string> find_variable(std::string_view name) {
  for (const Named& named : plain_names) {
    if (name == named.name) return VariableRef{.variable = named.variable, .name = {}, .fallback = {}};
  }
  for (const Named& family : families) {
    if (!name.starts_with(family.name)) continue;
    std::string_view rest = name.substr(family.name.size());
    if (!rest.empty() && !rest.starts_with('.')) continue;
    rest.remove_prefix(std::min<std::size_t>(rest.size(), 1));
    if (rest.empty()) {
      return std::unexpected(braced(name) + " lacks the name of what is meant: write " +
                             braced(std::string(family.name) + ".NAME"));
    }
    if (const auto fault = fault_of_name(family.variable, rest); !fault.empty()) {
      return std::unexpected(braced(name) + " " + std::string(fault));
    }
    return VariableRef{.variable = family.variable, .name = std::string(rest), .fallback = {}};
  }
  return std::unexpected(unknown_variable(name));
}

// `text` is what stands between the braces.
std::expected<VariableRef, std::string> parse_variable(std::string_view text) {
  const std::size_t bar = text.find('|');
  auto ref = find_variable(text.substr(0, bar));
  if (!ref || bar == std::string_view::npos) return ref;
  std::string_view rest = text.substr(bar + 1);
  if (rest == "raw") {
    ref->raw = true;
    return ref;
  }
  if (rest.starts_with("raw|")) {
    ref->raw = true;
    rest.remove_prefix(4);
  }
  ref->fallback = rest;
  return ref;
}

// What can't stand in a request line even if it is meant to be there unescaped.
constexpr bool breaks_a_url(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= 0x20 || byte >= 0x7f || c == '#';
}

// Where a path's next segment may begin for a receiver that decodes before it looks: behind "/", "\\", and
// either of them encoded.
std::size_t separator_size(std::string_view text) {
  if (text.starts_with('/') || text.starts_with('\\')) return 1;
  const std::string_view escape = text.substr(0, 3);
  return equals_ignoring_case(escape, "%2f") || equals_ignoring_case(escape, "%5c") ? 3 : 0;
}

// Whether the path of a URL, absolute or from its path on, has a segment that is "." or "..", also as %2e.
bool has_dot_segment(std::string_view url) {
  const std::size_t scheme = url.starts_with('/') ? std::string_view::npos : url.find("://");
  const std::size_t start = url.find('/', scheme == std::string_view::npos ? 0 : scheme + 3);
  if (start == std::string_view::npos) return false;
  std::string_view path = url.substr(start, url.find_first_of("?#", start) - start);
  while (!path.empty()) {
    path.remove_prefix(separator_size(path));
    std::size_t end = 0;
    while (end < path.size() && separator_size(path.substr(end)) == 0) ++end;
    std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    std::size_t dots = 0;
    while (!segment.empty()) {
      const std::size_t length = segment.front() == '.' ? 1 : 3;
      if (length == 3 && !equals_ignoring_case(segment.substr(0, 3), "%2e")) break;
      segment.remove_prefix(length);
      ++dots;
    }
    if (segment.empty() && (dots == 1 || dots == 2)) return true;
  }
  return false;
}

// Appends a value for its place; the error says what is wrong with it, to follow the variable's name.
std::expected<void, std::string_view> append_value(std::string& out, std::string_view value, Place place,
                                                   bool raw) {
  switch (place) {
    case Place::url:
      if (!raw) {
        append_percent_encoded(out, value);
        return {};
      }
      if (std::ranges::any_of(value, breaks_a_url)) {
        return std::unexpected("has a character that a URL can't have");
      }
      break;
    case Place::header:
      if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
        return std::unexpected("has a CR, LF or NUL, which a header can't have");
      }
      break;
    case Place::json:
      if (!raw) {
        append_json_escaped(out, value);
        return {};
      }
      break;
    case Place::text:
      if (!raw && !std::ranges::all_of(value, is_unreserved)) {
        return std::unexpected("has a character other than A-Z a-z 0-9 . _ ~ -");
      }
      break;
  }
  out += value;
  return {};
}

}  // namespace

std::string variable_name(const VariableRef& ref) {
  for (const Named& named : plain_names) {
    if (named.variable == ref.variable) return std::string(named.name);
  }
  for (const Named& family : families) {
    if (family.variable == ref.variable) return std::string(family.name) + "." + ref.name;
  }
  return {};
}

std::expected<Template, TemplateError> Template::parse(std::string_view text) {
  Template result;
  result.text_ = text;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) result.segments_.emplace_back(std::exchange(literal, {}));
  };
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t brace = std::min(text.find('{', at), text.size());
    literal += text.substr(at, brace - at);
    at = brace;
    if (at == text.size()) break;
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if (next == '{') {
      literal += '{';
      at += 2;
    } else if (!is_letter(next)) {
      literal += '{';
      ++at;
    } else {
      const std::size_t close = text.find('}', at);
      if (close == std::string_view::npos) {
        return std::unexpected(TemplateError{at, std::string(unclosed_variable)});
      }
      auto ref = parse_variable(text.substr(at + 1, close - at - 1));
      if (!ref) return std::unexpected(TemplateError{at, std::move(ref.error())});
      end_literal();
      result.segments_.emplace_back(std::move(*ref));
      at = close + 1;
    }
  }
  end_literal();
  return result;
}

Template Template::secret(std::string text, std::string written) {
  const auto literal = [](std::string value) {
    Template result;
    result.text_ = value;
    result.segments_.emplace_back(std::move(value));
    return result;
  };
  Template result = literal(std::move(text));
  result.set_as_written(literal(std::move(written)));
  return result;
}

bool Template::is_literal() const {
  return std::ranges::all_of(segments_, [](const Segment& segment) { return segment.index() == 0; });
}

std::expected<std::string, std::string> Template::render(const VariableSource& source, Place place) const {
  std::string out;
  if (auto rendered = render_into(out, source, place); !rendered)
    return std::unexpected(std::move(rendered.error()));
  return out;
}

std::expected<void, std::string> Template::render_into(std::string& out, const VariableSource& source,
                                                       Place place) const {
  std::string scratch;
  for (const Segment& segment : segments_) {
    if (const auto* literal = std::get_if<std::string>(&segment)) {
      out += *literal;
      continue;
    }
    const auto& ref = std::get<VariableRef>(segment);
    auto value = source.value(ref, scratch);
    // An empty value would make "/jobs/{id}" a call about all jobs.
    if (place == Place::url && value && value->empty() && !out.contains('?')) value.reset();
    if (!value && !ref.fallback) return std::unexpected(braced(variable_name(ref)) + " has no value");
    // A fallback is the operator's own text.
    const bool raw = ref.raw || (!value && place == Place::text);
    const std::string_view text = value ? *value : std::string_view(*ref.fallback);
    if (const auto appended = append_value(out, text, place, raw); !appended) {
      return std::unexpected(braced(variable_name(ref)) + " " + std::string(appended.error()));
    }
  }
  // Escaping leaves dots alone, and receivers take "/jobs/.." for "/".
  if (place == Place::url && !is_literal() && has_dot_segment(out)) {
    return std::unexpected("the URL's path would have a dot segment");
  }
  return {};
}

}  // namespace hangup::config
