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

bool is_of_trace(Variable variable) {
  return variable == Variable::trace_id || variable == Variable::trace_parent;
}

}  // namespace

void check_moment(Reader& reader, const TemplateText& text, Moment moment) {
  reader.for_each_variable(text, [&](const VariableRef& ref, Position position) {
    if (is_known_at(ref.variable, moment)) return;
    const bool is_field = ref.variable == Variable::request_json || ref.variable == Variable::response_json;
    const std::string_view here = is_field ? "before the body has passed: cleanups know it"
                                  : moment == Moment::before_a_server    ? "before a server is chosen"
                                  : moment == Moment::before_the_request ? "before the response has come"
                                                                         : "before the exchange has ended";
    reader.problem(position, "{" + variable_name(ref) + "} is not known here, " + std::string(here));
  });
}

void check_captures(Reader& reader, const TemplateText& text, const PathPattern& path) {
  const auto captures = captures_of(path);
  reader.for_each_variable(text, [&](const VariableRef& ref, Position position) {
    if (ref.variable != Variable::path_capture || std::ranges::find(captures, ref.name) != captures.end())
      return;
    reader.problem(position, "{path." + ref.name + "} is not captured by this route's path " +
                                 shown(path.text) + did_you_mean(nearest(ref.name, captures)));
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

void warn_of_traces(Reader& reader, const std::vector<Listener>& listeners) {
  std::string off;
  std::size_t count = 0;
  for (const Listener& listener : listeners) {
    if (listener.trace != Listener::Trace::off) continue;
    off += (off.empty() ? "" : ", ") + shown(listener.name);
    ++count;
  }
  if (count == 0) return;
  const bool is_all = count == listeners.size();
  const std::string who = (count == 1 ? "listener " : "listeners ") + off;
  const std::string fault =
      is_all ? " never has a value, by `trace: off` of " + who + ": write `trace: continue` there"
             : " has no value for requests of " + who + ", by `trace: off`: write `trace: continue` there";
  for (const UsedVariable& used : reader.used_variables()) {
    // A default is for requests without one.
    if (!is_of_trace(used.ref.variable) || (!is_all && used.ref.fallback)) continue;
    const std::string name = variable_name(used.ref);
    const std::string instead = used.ref.variable == Variable::trace_id ? ", use {request.id}" : "";
    reader.warning(used.position,
                   "{" + name + "}" + fault + instead +
                       (is_all ? ", or take it out" : ", or give it a default: {" + name + "|none}"));
  }
}

void warn_of_absent_names(Reader& reader, const Config& config) {
  const auto asks = [](const Listener& listener) { return listener.tls && !listener.tls->client_ca.empty(); };
  const bool has_tokens = config.auth.has_value();
  const bool has_certificates = std::ranges::any_of(config.listeners, asks);
  for (const UsedVariable& used : reader.used_variables()) {
    const bool is_token = used.ref.variable == Variable::auth_name && !has_tokens;
    const bool is_subject = used.ref.variable == Variable::client_subject && !has_certificates;
    if ((!is_token && !is_subject) || used.ref.fallback) continue;
    const std::string name = variable_name(used.ref);
    reader.warning(used.position, "{" + name + "} never has a value without " +
                                      (is_token ? "`auth`" : "a listener that has `client_ca`") +
                                      ": take it out, or give it a default: {" + name + "|none}");
  }
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
  reader.for_each_variable(text, [&](const VariableRef& ref, Position position) {
    const bool is_number = ref.variable == Variable::client_port || ref.variable == Variable::response_status;
    if (inside[index++] || ref.raw || is_number) return;
    const std::string name = variable_name(ref);
    reader.problem(position, "{" + name + "} stands outside of a JSON string: write \"{" + name +
                                 "}\", or {" + name + "|raw} if its value is JSON");
  });
}

}  // namespace hangup::config
