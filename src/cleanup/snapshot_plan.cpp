#include <algorithm>
#include <array>
#include <cstring>

#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {
namespace {

using config::Variable;

// What the log line and the event say beside the cleanups' own templates. Outcome and phase are known to
// whoever reads the journal.
constexpr std::array facts = {Variable::request_method,  Variable::request_host,   Variable::request_path,
                              Variable::request_query,   Variable::client_ip,      Variable::client_port,
                              Variable::upstream_server, Variable::response_status};

void append_text(std::string& out, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  std::array<char, sizeof size> bytes{};
  std::memcpy(bytes.data(), &size, sizeof size);
  out.append(bytes.data(), bytes.size()).append(text);
}

}  // namespace

SnapshotPlan::SnapshotPlan(const config::Route& route)
    : route_(route.name),
      wanted_(!route.on_disconnect.cleanups.empty() && route.cleanup_on.contains(Outcome::crashed)) {
  if (!wanted_) return;
  const auto add = [this](const config::VariableRef& ref) {
    const auto is_same = [&](const auto& other) {
      return other.variable == ref.variable && other.name == ref.name;
    };
    if (!std::ranges::any_of(variables_, is_same)) variables_.push_back(ref);
  };
  const auto add_template = [&](const config::Template& text) {
    for (const auto& segment : text.segments()) {
      const auto* ref = std::get_if<config::VariableRef>(&segment);
      if (ref == nullptr || ref->variable == Variable::outcome || ref->variable == Variable::phase) continue;
      add(*ref);
      names_request_json_ = names_request_json_ || ref->variable == Variable::request_json;
      names_response_ = names_response_ || ref->variable == Variable::response_status ||
                        ref->variable == Variable::response_header ||
                        ref->variable == Variable::response_json;
    }
  };
  for (const Variable fact : facts) add({.variable = fact, .name = {}, .fallback = {}});
  for (const auto& cleanup : route.on_disconnect.cleanups) {
    add_template(cleanup->url);
    for (const auto& [name, value] : cleanup->headers) add_template(value);
    add_template(cleanup->body);
  }
}

void SnapshotPlan::append(std::string& out, const config::VariableSource& source, std::string_view request_id,
                          WallTime started) const {
  std::string scratch;
  append_text(out, request_id);
  append_text(out, route_);
  append_text(out, std::to_string(started.time_since_epoch().count()));
  for (const config::VariableRef& ref : variables_) {
    const auto value = source.value(ref, scratch);
    if (!value) continue;
    append_text(out, config::variable_name(ref));
    append_text(out, *value);
  }
}

}  // namespace hangup::cleanup
