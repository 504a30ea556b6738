// Headers that a configuration sets or removes.
#include "config/file.h"
#include "config/sections.h"
#include "config/variables.h"

#include <algorithm>
#include <array>

#include <hangup/base/text.h>
#include <hangup/http/secret_header.h>

namespace hangup::config {
namespace {

constexpr bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

constexpr bool is_value_char(char c) {
  return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

template <std::size_t N>
bool is_among(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::ranges::any_of(names,
                             [&](std::string_view other) { return equals_ignoring_case(name, other); });
}

// They belong to one connection or frame the body (RFC 9110 section 7.6.1, RFC 9112 section 6).
constexpr std::array<std::string_view, 9> connection_headers = {
    "Connection", "Keep-Alive",     "Proxy-Connection", "TE", "Trailer", "Upgrade",
    "Expect",     "Content-Length", "Transfer-Encoding"};
constexpr std::array<std::string_view, 3> delivery_headers = {"webhook-id", "webhook-timestamp",
                                                              "webhook-signature"};

// What the author wrote has to be fit for a header; values are looked at when they are known.
void check_header_literals(Reader& reader, const TemplateText& text) {
  const auto is_fit = [](std::string_view part) { return std::ranges::all_of(part, is_value_char); };
  for (const auto& segment : text.compiled.segments()) {
    const auto* literal = std::get_if<std::string>(&segment);
    const auto* ref = std::get_if<VariableRef>(&segment);
    if (literal != nullptr ? is_fit(*literal) : !ref->fallback || is_fit(*ref->fallback)) continue;
    reader.problem(text.node->position, "a header's value can't have line breaks or control characters");
    return;
  }
}

// `{file: /run/x}`: the whole value is in that file, since it is a secret.
std::optional<TemplateText> read_value_file(Reader& reader, const Node& node, std::string_view header) {
  Section section(reader, node, header);
  const Node* name = section.required("file", "the path of a file with the header's value");
  section.finish();
  const auto path = name == nullptr ? std::nullopt : reader.text(*name, "file", "the path of a file");
  if (!path) return std::nullopt;
  const auto fault = [&](std::string_view what) {
    reader.problem(name->position, "`file`: " + path->value + ": " + std::string(what));
    return std::nullopt;
  };
  constexpr std::size_t most = std::size_t{16} * 1024;
  auto text = read_secret_file(path->value, reader.secret_policy(), most, "no value of a header");
  if (!text) return fault(text.error().message);
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  if (text->empty()) return fault("is empty, expected the header's value");
  if (!std::ranges::all_of(*text, is_value_char))
    return fault("has line breaks or control characters, which a header's value can't have");
  return TemplateText{Template::secret(*text, "(from " + path->value + ")"), name};
}

}  // namespace

bool check_header_name(Reader& reader, const Node& node, HeaderOf message) {
  const std::string& name = node.text;
  if (name.empty() || !std::ranges::all_of(name, is_token_char)) {
    reader.problem(node.position, shown(name) + " is no valid header name");
    return false;
  }
  if (is_among(name, connection_headers)) {
    reader.problem(node.position,
                   shown(name) + " can't be changed: it belongs to the connection, which is hangup's own");
    return false;
  }
  if (equals_ignoring_case(name, "Host") && message != HeaderOf::response) {
    reader.problem(node.position, message == HeaderOf::request
                                      ? "`Host` can't be changed here: set `host` of the upstream"
                                      : "`Host` can't be changed: it is the one of the cleanup's url");
    return false;
  }
  if (message == HeaderOf::cleanup && is_among(name, delivery_headers)) {
    reader.problem(node.position, shown(name) + " is written by hangup for each delivery");
    return false;
  }
  return true;
}

std::vector<std::pair<std::string, TemplateText>> read_headers(Reader& reader, const Node& node,
                                                               std::string_view key, HeaderOf message) {
  std::vector<std::pair<std::string, TemplateText>> headers;
  if (node.kind != Node::Kind::mapping) {
    reader.unexpected(node, key, "a mapping of header names to values");
    return headers;
  }
  for (const auto& [name, value] : node.entries) {
    if (!check_header_name(reader, *name, message)) continue;
    const auto is_same = [&](const auto& other) { return equals_ignoring_case(other.first, name->text); };
    if (std::ranges::any_of(headers, is_same)) {
      reader.problem(name->position,
                     "duplicate header " + shown(name->text) + ": header names compare without case");
      continue;
    }
    auto text = value->kind == Node::Kind::mapping
                    ? read_value_file(reader, *value, name->text)
                    : reader.template_text(*value, name->text, http::names_a_secret(name->text));
    if (!text) continue;
    check_header_literals(reader, *text);
    headers.emplace_back(name->text, std::move(*text));
  }
  return headers;
}

void read_header_changes(Section& section, HeaderOf message, const PathPattern& path,
                         HeaderChanges& changes) {
  Reader& reader = section.reader();
  if (const Node* node = section.optional("set_header")) {
    for (auto& [name, text] : read_headers(reader, *node, "set_header", message)) {
      check_moment(reader, text,
                   message == HeaderOf::request ? Moment::before_the_request : Moment::before_the_response);
      check_captures(reader, text, path);
      changes.set.emplace_back(name, std::move(text.compiled));
    }
  }
  section.each("remove_header", "a list of header names", [&](const Node& node) {
    auto text = reader.text(node, "remove_header", "a header's name");
    if (!text || !check_header_name(reader, node, message)) return;
    changes.remove.push_back(std::move(text->value));
  });
}

}  // namespace hangup::config
