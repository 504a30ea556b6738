// What a route plants in the request that it forwards.
#include "config/sections.h"
#include "config/variables.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace hangup::config {
namespace {

constexpr std::uint64_t most_limit = std::uint64_t{64} * 1024 * 1024;
constexpr std::size_t most_field_parts = 16;

constexpr bool is_query_char(char c) {
  return c > 0x20 && c < 0x7f && c != '#' && c != '&';
}

using Values = std::vector<std::pair<std::string, Template>>;
using Check = void (*)(Reader&, const TemplateText&);

// name: template pairs, with what is the same for all that is planted.
void read_values(Section& section, std::string_view key, std::string_view expected, const PathPattern& path,
                 bool (*is_name_fit)(Reader&, const Node&), Check check, Values& values) {
  const Node* node = section.optional(key);
  if (node == nullptr) return;
  Reader& reader = section.reader();
  if (node->kind != Node::Kind::mapping) return reader.unexpected(*node, key, expected);
  for (const auto& [name, value] : node->entries) {
    if (!is_name_fit(reader, *name)) continue;
    auto text = reader.template_text(*value, name->text);
    if (!text) continue;
    check_moment(reader, *text, Moment::before_the_request);
    check_captures(reader, *text, path);
    check(reader, *text);
    values.emplace_back(name->text, std::move(text->compiled));
  }
}

bool check_parameter_name(Reader& reader, const Node& node) {
  if (!node.text.empty()) return true;
  reader.problem(node.position, "`set_query`: a parameter without a name");
  return false;
}

// Values of variables are encoded; the author's own text is not.
void check_parameter(Reader& reader, const TemplateText& text) {
  for (const auto& segment : text.compiled.segments()) {
    const auto* literal = std::get_if<std::string>(&segment);
    if (literal == nullptr || std::ranges::all_of(*literal, is_query_char)) continue;
    reader.problem(text.node->position,
                   "a blank, &, # or another character that the value of a query parameter can't have; "
                   "percent-encode it");
    return;
  }
}

bool check_field_path(Reader& reader, const Node& node) {
  const std::string& path = node.text;
  if (path.empty() || path.starts_with('.') || path.ends_with('.') || path.contains("..")) {
    reader.problem(node.position, "`set_json`: " + shown(path) +
                                      " has an empty part; expected the path of a field, such as rid or "
                                      "metadata.rid");
    return false;
  }
  if (std::ranges::count(path, '.') >= static_cast<std::ptrdiff_t>(most_field_parts)) {
    reader.problem(node.position, "`set_json`: " + shown(path) + " has more than " +
                                      std::to_string(most_field_parts) + " parts");
    return false;
  }
  return true;
}

// A value is a JSON string, but for a template that is one raw variable, whose value is JSON.
void check_json_value(Reader& reader, const TemplateText& text) {
  const auto& segments = text.compiled.segments();
  std::string sample;
  for (const auto& segment : segments) {
    const auto* ref = std::get_if<VariableRef>(&segment);
    sample += ref == nullptr ? std::get<std::string>(segment) : "0";
    if (ref == nullptr || !ref->raw) continue;
    const std::string name = variable_name(*ref);
    if (segments.size() > 1) {
      return reader.problem(text.node->position,
                            "{" + name + "|raw} inside of a string could end it; expected {" + name +
                                "}, or {" + name + "|raw} alone if its value is JSON");
    }
    if (ref->fallback && !nlohmann::json::accept(*ref->fallback)) {
      return reader.problem(text.node->position, "the default of {" + name + "|raw} is not JSON: found " +
                                                     shown(*ref->fallback) +
                                                     ", expected such as null, 0 or \"text\"");
    }
  }
  if (!nlohmann::json::accept('"' + sample + '"')) {
    reader.problem(
        text.node->position,
        "not fit for the inside of a JSON string: write \\\" for a quote, \\\\ for a backslash, \\n "
        "for a line break");
  }
}

// One path inside of another asks for a field that is a text and an object at once.
void check_field_paths(Reader& reader, const Node& node) {
  for (const auto& [inner, value] : node.entries) {
    for (std::size_t dot = 0; (dot = inner->text.find('.', dot)) != std::string::npos; ++dot) {
      const auto* outer = node.find(std::string_view(inner->text).substr(0, dot));
      if (outer == nullptr) continue;
      reader.problem(inner->position, "`set_json`: " + shown(inner->text) + " is inside of " +
                                          shown(outer->key->text) + ", which has a value of its own");
    }
  }
}

}  // namespace

void read_request_changes(Section& section, const PathPattern& path, RequestChanges& changes) {
  read_header_changes(section, HeaderOf::request, path, changes);
  read_values(section, "set_query", "a mapping of parameters to values", path, check_parameter_name,
              check_parameter, changes.set_query);
  read_values(section, "set_json", "a mapping of fields to values", path, check_field_path, check_json_value,
              changes.set_json);
  if (section.has("set_json")) check_field_paths(section.reader(), *section.node().find("set_json")->value);
  section.bytes("json_limit", changes.json_limit.count, 1, most_limit);
}

}  // namespace hangup::config
