#include "cleanup/snapshot.h"

#include "cleanup/bytes.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

#include <hangup/base/utc.h>
#include <hangup/http/traceparent.h>

namespace hangup::cleanup {
namespace {

using config::Variable, config::VariableRef;

constexpr std::uint8_t version = 1;

// What the log line and the CloudEvents event say; the route and the times stand in the snapshot itself.
constexpr std::array always = {Variable::request_method,  Variable::request_host,    Variable::request_path,
                               Variable::request_query,   Variable::client_ip,       Variable::client_port,
                               Variable::upstream_server, Variable::response_status, Variable::auth_name,
                               Variable::trace_parent};

const VariableRef id_variable{.variable = Variable::request_id, .name = {}, .fallback = {}, .raw = false};
constexpr std::string_view id_variable_name = "request.id";
// Which are no variables.
constexpr std::string_view address_name = "upstream.address";
constexpr std::string_view match_name = "route.match";

bool is_kept_elsewhere(Variable variable) {
  return variable == Variable::request_id || variable == Variable::trace_id || variable == Variable::route ||
         variable == Variable::outcome || variable == Variable::phase || variable == Variable::time;
}

void collect(std::vector<VariableRef>& found, const config::Template& text) {
  for (const auto& segment : text.segments()) {
    const auto* ref = std::get_if<VariableRef>(&segment);
    if (ref == nullptr || is_kept_elsewhere(ref->variable)) continue;
    const bool known = std::ranges::any_of(found, [&](const VariableRef& other) {
      return other.variable == ref->variable && other.name == ref->name;
    });
    if (!known) found.push_back({.variable = ref->variable, .name = ref->name, .fallback = {}, .raw = false});
  }
}

}  // namespace

std::string match_text(const config::Match& match) {
  std::string text = match.host.value_or("") + ' ' + match.path.text;
  for (const std::string& method : match.methods) text += ' ' + method;
  return text;
}

SnapshotPlan::SnapshotPlan(const config::Route& route)
    : route_(route.name),
      match_(route.is_named ? "" : match_text(route.match)),
      wanted_(route.cleanup_on.contains(Outcome::crashed) && !route.on_disconnect.cleanups.empty()) {
  if (!wanted_) return;
  bool event = false;
  for (const auto& cleanup : route.on_disconnect.cleanups) {
    collect(variables_, cleanup->url);
    for (const auto& header : cleanup->headers) collect(variables_, header.second);
    collect(variables_, cleanup->body);
    event = event || cleanup->body_kind == config::Cleanup::Body::cloudevent;
  }
  const auto names = [&](Variable variable) {
    return std::ranges::any_of(variables_, [&](const VariableRef& ref) { return ref.variable == variable; });
  };
  names_response_ = event || names(Variable::response_status) || names(Variable::response_header) ||
                    names(Variable::response_json);
  names_request_json_ = names(Variable::request_json);
  for (const Variable variable : always) {
    if (!names(variable))
      variables_.push_back({.variable = variable, .name = {}, .fallback = {}, .raw = false});
  }
  for (const VariableRef& ref : variables_) names_.push_back(config::variable_name(ref));
}

void SnapshotPlan::append(std::string& out, const config::VariableSource& source, std::string_view request_id,
                          WallTime started, const SocketAddress* address) const {
  ByteWriter writer(out);
  writer.number(version);
  writer.string(request_id);
  writer.string(route_);
  writer.number(to_micros(started));
  std::string scratch;
  if (const auto given = source.value(id_variable, scratch); given && *given != request_id) {
    writer.string(id_variable_name);
    writer.string(*given);
  }
  if (!match_.empty()) {
    writer.string(match_name);
    writer.string(match_);
  }
  if (address != nullptr) {
    writer.string(address_name);
    writer.string(address->to_string());
  }
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    const auto value = source.value(variables_[i], scratch);
    if (!value) continue;
    writer.string(names_[i]);
    writer.string(*value);
  }
}

std::optional<Snapshot> decode_snapshot(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.number<std::uint8_t>() != version) return std::nullopt;
  Snapshot snapshot;
  snapshot.request_id = reader.string();
  snapshot.route = reader.string();
  snapshot.started = from_micros(reader.number<std::int64_t>());
  while (reader.ok() && !reader.at_end()) {
    std::string name(reader.string());
    snapshot.values.emplace_back(std::move(name), reader.string());
  }
  if (!reader.ok()) return std::nullopt;
  return snapshot;
}

std::string_view Snapshot::shown_id() const {
  return value(id_variable_name).value_or(request_id);
}

std::optional<std::string_view> Snapshot::trace_id() const {
  const std::string_view id = http::trace_id_of(value("trace.parent").value_or(""));
  return id.empty() ? std::nullopt : std::optional(id);
}

std::optional<SocketAddress> Snapshot::address() const {
  const auto parsed = SocketAddress::parse(value(address_name).value_or(""));
  return parsed ? std::optional(*parsed) : std::nullopt;
}

std::optional<std::string_view> Snapshot::match() const {
  return value(match_name);
}

std::optional<std::string_view> Snapshot::value(std::string_view name) const {
  const auto found =
      std::ranges::find(values, name, [](const auto& value) { return std::string_view(value.first); });
  return found == values.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

std::optional<std::string_view> SnapshotVariables::value(const VariableRef& ref, std::string& scratch) const {
  switch (ref.variable) {
    case Variable::request_id:
      return snapshot_.shown_id();
    case Variable::trace_id:
      return snapshot_.trace_id();
    case Variable::route:
      return snapshot_.route;
    case Variable::outcome:
      return to_string(Outcome::crashed);
    case Variable::phase:
      return to_string(phase_);
    case Variable::time:
      scratch = utc_seconds(now_);
      return scratch;
    default:
      return snapshot_.value(config::variable_name(ref));
  }
}

}  // namespace hangup::cleanup
