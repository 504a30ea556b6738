#include "config/cleanup_target.h"
#include "config/secrets.h"
#include "config/sections.h"
#include "config/variables.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include <hangup/base/text.h>

namespace hangup::config {
namespace {

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
    if (text->compiled.is_literal() && edit_distance(text->compiled.text(), "cloudevent") <= 2)
      reader.warning(node->position, "`body`: " + shown(text->compiled.text()) + " is sent as it stands" +
                                         did_you_mean("cloudevent"));
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

void read_ok_status(Section& section, std::vector<int>& ok_status) {
  section.each("ok_status", "a list of statuses", [&](const Node& node) {
    const auto number = section.reader().number(node, "ok_status", 100, 599);
    if (!number) return;
    const int status = static_cast<int>(*number);
    if (std::ranges::find(ok_status, status) != ok_status.end())
      return section.reader().problem(node.position, "`ok_status`: " + shown(node.text) + " twice");
    ok_status.push_back(status);
  });
}

void read_times(Section& section, Cleanup& cleanup) {
  section.duration("timeout", cleanup.timeout);
  section.duration("delay", cleanup.delay, Duration::zero());
  section.duration_or("expire_after", "never", cleanup.expire_after, milliseconds(1));
  if (!cleanup.expire_after || cleanup.delay < *cleanup.expire_after) return;
  const auto* delay = section.node().find("delay");
  const auto* expiry = section.node().find("expire_after");
  section.reader().problem((delay != nullptr ? delay : expiry)->value->position,
                           "`delay`, " + format_duration(cleanup.delay) +
                               ", is not shorter than `expire_after`, " +
                               format_duration(*cleanup.expire_after) +
                               (expiry == nullptr ? " unless you set it" : "") + ": it would never be sent");
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
  read_target(section, *cleanup, templates);
  section.networks("allow", cleanup->allow);
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
  read_times(section, *cleanup);
  section.section("retry", [&](Section& retry) { read_retry(retry, cleanup->retry); });
  read_ok_status(section, cleanup->ok_status);
  cleanup->signing_keys = read_signing_keys(section);
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
