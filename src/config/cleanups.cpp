#include "config/authority.h"
#include "config/sections.h"
#include "config/variables.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include <hangup/base/text.h>

namespace hangup::config {
namespace {

constexpr std::string_view url_example = "an absolute URL such as http://127.0.0.1:9000/jobs/{request.id}";

constexpr bool is_url_char(char c) {
  return c > 0x20 && c < 0x7f && c != '#';
}

bool has_literal_dot_segment(std::string_view path) {
  for (const std::string_view dots : {"/../", "/./"}) {
    if (path.contains(dots)) return true;
  }
  return path.ends_with("/..") || path.ends_with("/.");
}

// What is wrong with it, or nothing. Scheme, host and port have to be written out: a client must not be able
// to steer where the call goes.
std::string fault_of_url(const Template& url) {
  constexpr std::string_view scheme = "http://";
  const auto* first = url.segments().empty() ? nullptr : std::get_if<std::string>(&url.segments().front());
  const std::string_view start = first == nullptr ? std::string_view() : std::string_view(*first);
  if (equals_ignoring_case(start.substr(0, 8), "https://")) {
    return "this release calls cleanups by plain http; expected " + std::string(url_example);
  }
  if (!equals_ignoring_case(start.substr(0, scheme.size()), scheme)) {
    return "scheme, host and port have to be written out; expected " + std::string(url_example);
  }
  const std::string_view rest = start.substr(scheme.size());
  const std::size_t end = rest.find_first_of("/?#");
  if (end == std::string_view::npos && !url.is_literal()) {
    return "scheme, host and port have to be written out, without variables, and a / has to follow; "
           "expected " +
           std::string(url_example);
  }
  if (const auto authority = parse_authority(rest.substr(0, end)); !authority)
    return authority.error().message;
  for (const auto& segment : url.segments()) {
    const auto* literal = std::get_if<std::string>(&segment);
    if (literal == nullptr) continue;
    if (!std::ranges::all_of(*literal, is_url_char)) {
      return "a blank, a # or another character that a URL for a request can't have; percent-encode it";
    }
  }
  const std::string_view text = url.text();
  if (has_literal_dot_segment(text.substr(0, text.find('?'))))
    return "a URL with dot segments; write what it means";
  return {};
}

void read_url(Section& section, Cleanup& cleanup, std::vector<TemplateText>& templates) {
  const Node* node = section.required("url", url_example);
  if (node == nullptr) return;
  Reader& reader = section.reader();
  auto text = reader.template_text(*node, "url");
  if (!text) return;
  if (const std::string fault = fault_of_url(text->compiled); !fault.empty()) {
    reader.problem(node->position, "`url`: " + fault);
  }
  cleanup.url = text->compiled;
  templates.push_back(std::move(*text));
}

bool is_json_type(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  constexpr std::string_view suffix = "+json";
  return equals_ignoring_case(type, "application/json") ||
         (type.size() > suffix.size() &&
          equals_ignoring_case(type.substr(type.size() - suffix.size()), suffix));
}

bool looks_like_json(const Template& body) {
  std::string sample;
  for (const auto& segment : body.segments()) {
    const auto* literal = std::get_if<std::string>(&segment);
    sample += literal == nullptr ? "0" : *literal;
  }
  return nlohmann::json::accept(sample) && sample.find_first_of("{[") != std::string::npos;
}

Place place_of_body(const Cleanup& cleanup) {
  for (const auto& [name, value] : cleanup.headers) {
    if (!equals_ignoring_case(name, "Content-Type")) continue;
    return value.is_literal() && is_json_type(value.text()) ? Place::json : Place::text;
  }
  return looks_like_json(cleanup.body) ? Place::json : Place::text;
}

void read_body(Section& section, Cleanup& cleanup, std::vector<TemplateText>& templates) {
  constexpr std::array<std::string_view, 3> with_event = {"POST", "PUT", "PATCH"};
  const bool has_event = std::ranges::find(with_event, cleanup.method) != with_event.end();
  cleanup.body_kind = has_event ? Cleanup::Body::cloudevent : Cleanup::Body::none;
  const Node* node = section.optional("body");
  if (node == nullptr) return;
  Reader& reader = section.reader();
  auto text = reader.template_text(*node, "body");
  if (!text) return;
  if (text->compiled.is_literal() && text->compiled.text() == "cloudevent") {
    cleanup.body_kind = Cleanup::Body::cloudevent;
  } else if (text->compiled.is_literal() && text->compiled.text() == "none") {
    cleanup.body_kind = Cleanup::Body::none;
  } else {
    cleanup.body_kind = Cleanup::Body::template_text;
    cleanup.body = text->compiled;
    cleanup.body_place = place_of_body(cleanup);
    if (cleanup.body_place == Place::json) check_json_strings(reader, *text);
    templates.push_back(std::move(*text));
  }
}

void read_retry(Section& section, Retry& retry) {
  section.number("max_attempts", retry.max_attempts, 1, 1000);
  section.section("backoff", [&](Section& backoff) {
    backoff.duration("base", retry.backoff_base);
    backoff.duration("max", retry.backoff_max);
    if (retry.backoff_base <= retry.backoff_max) return;
    const auto* base = backoff.node().find("base");
    const auto* max = backoff.node().find("max");
    backoff.reader().problem((base != nullptr ? base : max)->value->position,
                             "`base`, " + format_duration(retry.backoff_base) + ", is longer than `max`, " +
                                 format_duration(retry.backoff_max));
  });
}

}  // namespace

std::optional<std::string> read_method(Reader& reader, const Node& node, std::string_view key) {
  static const std::vector<std::string_view> usual = {"GET",   "HEAD",   "POST",   "PUT",
                                                      "PATCH", "DELETE", "OPTIONS"};
  constexpr std::string_view expected = "a method such as GET, POST or DELETE";
  auto text = reader.text(node, key, expected);
  if (!text) return std::nullopt;
  const std::string& method = text->value;
  const auto is_method_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  };
  const auto is_usual = [&](std::string_view name) {
    return equals_ignoring_case(name, method) && name != method;
  };
  if (method.empty() || !std::ranges::all_of(method, is_method_char) ||
      std::ranges::any_of(usual, is_usual)) {
    reader.unexpected(node, key, expected, usual);
    return std::nullopt;
  }
  return std::move(text->value);
}

std::shared_ptr<const Cleanup> read_cleanup(Reader& reader, const Node& node, std::string name,
                                            const PathPattern* inline_path) {
  auto cleanup = std::make_shared<Cleanup>();
  cleanup->name = std::move(name);
  Section section(reader, node, cleanup->name);
  std::vector<TemplateText> templates;
  read_url(section, *cleanup, templates);
  if (const Node* method = section.optional("method")) {
    if (auto text = read_method(reader, *method, "method")) cleanup->method = std::move(*text);
  }
  if (const Node* headers = section.optional("headers")) {
    for (auto& [header, text] : read_headers(reader, *headers, "headers", HeaderOf::cleanup)) {
      cleanup->headers.emplace_back(header, text.compiled);
      templates.push_back(std::move(text));
    }
  }
  read_body(section, *cleanup, templates);
  section.duration("timeout", cleanup->timeout);
  section.section("retry", [&](Section& retry) { read_retry(retry, cleanup->retry); });
  section.finish();
  if (inline_path != nullptr) {
    for (const TemplateText& text : templates) check_captures(reader, text, *inline_path);
  }
  return cleanup;
}

ByName<Cleanup> read_cleanups(Section& root, Config& config) {
  ByName<Cleanup> named;
  const Node* node = root.optional("cleanups");
  if (node == nullptr) return named;
  if (node->kind != Node::Kind::mapping) {
    root.reader().unexpected(*node, "cleanups", "a mapping of names to cleanups");
    return named;
  }
  for (const auto& [name, value] : node->entries) {
    if (name->text == "none") {
      root.reader().problem(name->position,
                            "`none` is no name for a cleanup: in a route it means that there is none");
    }
    auto cleanup = read_cleanup(root.reader(), *value, name->text, nullptr);
    config.cleanups.push_back(cleanup);
    named.emplace(name->text, std::move(cleanup));
  }
  return named;
}

}  // namespace hangup::config
