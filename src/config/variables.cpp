#include "config/variables.h"

#include <algorithm>

namespace hangup::config {
namespace {

bool is_known_at(Variable variable, Moment moment) {
  switch (variable) {
    case Variable::outcome:
    case Variable::phase:
      return moment == Moment::after_the_end;
    case Variable::request_json:
    case Variable::response_json:
      return moment == Moment::after_the_end;
    case Variable::response_status:
    case Variable::response_header:
      return moment == Moment::before_the_response || moment == Moment::after_the_end;
    case Variable::upstream_server:
      return moment != Moment::before_a_server;
    default:
      return true;
  }
}

std::vector<std::string_view> captures_of(const PathPattern& path) {
  std::vector<std::string_view> names;
  for (const auto& segment : path.segments) {
    if (segment.capture) names.push_back(segment.text);
  }
  return names;
}

// Calls visit(ref, offset into the scalar's text) for each variable. The offset is found again by what the
// variable starts with: exact unless the environment put the same text there.
template <typename Visit>
void for_each_variable(const TemplateText& text, Visit visit) {
  std::size_t from = 0;
  for (const auto& segment : text.compiled.segments()) {
    const auto* ref = std::get_if<VariableRef>(&segment);
    if (ref == nullptr) continue;
    const std::string start = "{" + variable_name(*ref);
    const std::size_t at = text.node->text.find(start, from);
    visit(*ref, at == std::string::npos ? 0 : at);
    if (at != std::string::npos) from = at + start.size();
  }
}

}  // namespace

void check_moment(Reader& reader, const TemplateText& text, Moment moment) {
  for_each_variable(text, [&](const VariableRef& ref, std::size_t offset) {
    if (is_known_at(ref.variable, moment)) return;
    const bool is_field = ref.variable == Variable::request_json || ref.variable == Variable::response_json;
    const std::string_view here = is_field ? "before the body has passed: cleanups know it"
                                  : moment == Moment::before_a_server    ? "before a server is chosen"
                                  : moment == Moment::before_the_request ? "before the response has come"
                                                                         : "before the exchange has ended";
    reader.problem(reader.within(*text.node, offset),
                   "{" + variable_name(ref) + "} is not known here, " + std::string(here));
  });
}

void check_captures(Reader& reader, const TemplateText& text, const PathPattern& path) {
  const auto captures = captures_of(path);
  for_each_variable(text, [&](const VariableRef& ref, std::size_t offset) {
    if (ref.variable != Variable::path_capture || std::ranges::find(captures, ref.name) != captures.end())
      return;
    reader.problem(reader.within(*text.node, offset),
                   "{path." + ref.name + "} is not captured by this route's path " + shown(path.text) +
                       did_you_mean(nearest(ref.name, captures)));
  });
}

std::vector<std::string> missing_captures(const Template& text, const PathPattern& path) {
  const auto captures = captures_of(path);
  std::vector<std::string> missing;
  for (const auto& segment : text.segments()) {
    const auto* ref = std::get_if<VariableRef>(&segment);
    if (ref == nullptr || ref->variable != Variable::path_capture || ref->fallback) continue;
    if (std::ranges::find(captures, ref->name) == captures.end()) missing.push_back(ref->name);
  }
  return missing;
}

void JsonStringTracker::pass(std::string_view literal) {
  for (const char c : literal) {
    if (escaped_) {
      escaped_ = false;
    } else if (inside_ && c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      inside_ = !inside_;
    }
  }
}

void check_json_strings(Reader& reader, const TemplateText& text) {
  std::vector<bool> inside;
  JsonStringTracker tracker;
  for (const auto& segment : text.compiled.segments()) {
    if (const auto* literal = std::get_if<std::string>(&segment)) {
      tracker.pass(*literal);
    } else {
      inside.push_back(tracker.inside_string());
    }
  }
  std::size_t index = 0;
  for_each_variable(text, [&](const VariableRef& ref, std::size_t offset) {
    const bool is_number = ref.variable == Variable::client_port || ref.variable == Variable::response_status;
    if (inside[index++] || ref.raw || is_number) return;
    const std::string name = variable_name(ref);
    reader.problem(reader.within(*text.node, offset),
                   "{" + name + "} stands outside of a JSON string: write \"{" + name + "}\", or {" + name +
                       "|raw} if its value is JSON");
  });
}

}  // namespace hangup::config
