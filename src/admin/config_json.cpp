#include "admin/config_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <hangup/base/units.h>
#include <hangup/http/secret_header.h>

namespace hangup::admin {
namespace {

using ConfigJson = nlohmann::ordered_json;
using config::Cleanup, config::Listener, config::Route, config::Upstream;

constexpr std::string_view not_shown = "(not shown)";

ConfigJson or_null(const std::string& text) {
  return text.empty() ? ConfigJson(nullptr) : ConfigJson(text);
}
ConfigJson bytes(Bytes size) {
  return format_bytes(size);
}
ConfigJson networks(const Networks& networks) {
  ConfigJson list = ConfigJson::array();
  for (const Network& network : networks.list()) list.push_back(network.to_string());
  return list;
}
ConfigJson networks(const std::optional<Networks>& given) {
  return given ? networks(*given) : ConfigJson(nullptr);
}

// ---- Templates

bool has_literal(const config::Template& text) {
  return std::ranges::any_of(text.segments(), [](const config::Template::Segment& segment) {
    const auto* literal = std::get_if<std::string>(&segment);
    return literal != nullptr && !literal->empty();
  });
}

// As it stands in the file: in what is written for people, the brace of ${NAME} is doubled, since it starts
// no variable.
std::string written(const config::Template& text) {
  std::string out = text.as_written().text();
  if (&text.as_written() == &text) return out;
  for (std::size_t at = 0; (at = out.find("${{", at)) != std::string::npos; at += 2) out.erase(at + 1, 1);
  return out;
}

ConfigJson value_of(std::string_view name, const config::Template& text) {
  const bool is_secret = http::names_a_secret(name) && has_literal(text.as_written());
  return is_secret ? ConfigJson(not_shown) : ConfigJson(written(text));
}

ConfigJson named(const std::vector<std::pair<std::string, config::Template>>& values) {
  ConfigJson all = ConfigJson::object();
  for (const auto& [name, value] : values) all[name] = value_of(name, value);
  return all;
}

// Without the values of parameters that are secret by their names.
std::string url_of(const config::Template& url) {
  const std::string text = written(url);
  std::size_t at = text.find('?');
  if (at == std::string::npos) return text;
  std::string shown = text.substr(0, at);
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('&', at + 1), text.size());
    const std::string parameter = text.substr(at, end - at);  // with its ? or &
    const std::size_t equals = parameter.find('=');
    const bool is_secret =
        equals != std::string::npos && http::names_a_secret(std::string_view(parameter).substr(0, equals));
    shown += is_secret ? parameter.substr(0, equals + 1).append(not_shown) : parameter;
    at = end;
  }
  return shown;
}

ConfigJson body_of(const Cleanup& cleanup) {
  switch (cleanup.body_kind) {
    case Cleanup::Body::cloudevent:
      return "cloudevent";
    case Cleanup::Body::none:
      return "none";
    case Cleanup::Body::template_text:
      break;
  }
  const std::string text = written(cleanup.body);
  return http::names_a_secret(text) ? ConfigJson(not_shown) : ConfigJson(text);
}

// ---- Sections

ConfigJson tls_json(const config::ClientTls& tls) {
  return {{"ca", or_null(tls.ca.string())},
          {"cert", or_null(tls.certificate.string())},
          {"key", or_null(tls.key.string())},
          {"server_name", or_null(tls.server_name)}};
}

ConfigJson tls_json(const std::optional<config::ServerTls>& tls) {
  if (!tls) return nullptr;
  ConfigJson certificates = ConfigJson::array();
  for (const auto& each : tls->certificates)
    certificates.push_back({{"cert", each.certificate.string()}, {"key", each.key.string()}});
  return {{"certificates", std::move(certificates)},
          {"min_version", tls->only_tls13 ? "1.3" : "1.2"},
          {"client_ca", or_null(tls->client_ca.string())},
          {"client_certificates", tls->client_ca.empty()              ? ConfigJson(nullptr)
                                  : tls->client_certificates_required ? ConfigJson("required")
                                                                      : ConfigJson("optional")},
          {"client_subject_header", or_null(tls->client_subject_header)}};
}

ConfigJson listener_json(const Listener& listener) {
  const auto& connections = listener.connections;
  const auto& timeouts = listener.timeouts;
  return {{"name", listener.name},
          {"address", listener.where()},
          {"dead_peer", format_duration(listener.dead_peer)},
          {"trusted_proxies", networks(listener.trusted_proxies)},
          {"trust_request_id", listener.trust_request_id},
          {"trace", listener.trace == Listener::Trace::continued ? "continue"
                    : listener.trace == Listener::Trace::start   ? "start"
                                                                 : "off"},
          {"proxy_protocol", listener.proxy_protocol ? "accept" : "off"},
          {"tls", tls_json(listener.tls)},
          {"limits",
           {{"connections", connections.max},
            {"when_full", connections.when_full == Listener::Connections::WhenFull::wait ? "wait" : "reject"},
            {"connections_per_client", connections.per_client},
            {"header_bytes", format_bytes({listener.head.head_bytes})},
            {"headers", listener.head.fields},
            {"body_bytes", bytes(listener.body_bytes)}}},
          {"timeouts",
           {{"handshake", format_duration(timeouts.handshake)},
            {"idle", format_duration(timeouts.idle)},
            {"header", format_duration(timeouts.header)},
            {"body_idle", format_duration(timeouts.body_idle)},
            {"write_idle", format_duration(timeouts.write_idle)}}}};
}

std::string host_of(const Upstream& upstream) {
  switch (upstream.host_policy) {
    case Upstream::HostPolicy::keep:
      return "keep";
    case Upstream::HostPolicy::server:
      return "server";
    case Upstream::HostPolicy::literal:
      break;
  }
  return upstream.host;
}

ConfigJson health_json(const std::optional<config::HealthCheck>& check) {
  if (!check) return nullptr;
  const bool asks = !check->path.empty();
  ConfigJson statuses = ConfigJson::array();
  for (const auto& [first, last] : check->status)
    statuses.push_back(first == last ? std::to_string(first)
                                     : std::to_string(first) + "-" + std::to_string(last));
  return {{"path", or_null(check->path)},
          {"method", asks ? ConfigJson(check->method) : ConfigJson(nullptr)},
          {"host", or_null(check->host)},
          {"status", asks ? std::move(statuses) : ConfigJson(nullptr)},
          {"interval", format_duration(check->interval)},
          {"timeout", format_duration(check->timeout)},
          {"unhealthy", check->unhealthy},
          {"healthy", check->healthy}};
}

ConfigJson outlier_json(const std::optional<config::Outlier>& outlier) {
  if (!outlier) return nullptr;
  return {{"failures", outlier->failures},
          {"eject", format_duration(outlier->eject)},
          {"max_ejected_percent", outlier->max_ejected_percent}};
}

std::string balance_of(const Upstream& upstream) {
  switch (upstream.balance) {
    case config::Balance::round_robin:
      return "round_robin";
    case config::Balance::least_requests:
      return "least_requests";
    case config::Balance::random_two:
      return "random_two";
    case config::Balance::hash:
      break;
  }
  return "hash(" + written(*upstream.hash_key) + ")";
}

ConfigJson retries_json(const config::Retries& retries) {
  ConfigJson on = ConfigJson::array();
  if (retries.connect) on.push_back("connect");
  if (retries.reset_before_head) on.push_back("reset_before_head");
  for (const int status : retries.statuses) on.push_back(status);
  return {{"attempts", retries.attempts},
          {"on", std::move(on)},
          {"budget", std::to_string(retries.budget_percent) + "%"},
          {"min_per_second", retries.min_per_second}};
}

ConfigJson upstream_json(const Upstream& upstream) {
  ConfigJson servers = ConfigJson::array();
  for (const config::Server& server : upstream.servers)
    servers.push_back({{"url", server.url}, {"weight", server.weight}});
  const auto& connections = upstream.connections;
  const auto& timeouts = upstream.timeouts;
  return {{"servers", std::move(servers)},
          {"required", upstream.required},
          {"tls", upstream.has_https() ? tls_json(upstream.tls) : ConfigJson(nullptr)},
          {"balance", balance_of(upstream)},
          {"slow_start", format_duration(upstream.slow_start)},
          {"retries", retries_json(upstream.retries)},
          {"host", host_of(upstream)},
          {"resolve", upstream.resolve ? format_duration(*upstream.resolve) : "off"},
          {"health", health_json(upstream.health)},
          {"outlier", outlier_json(upstream.outlier)},
          {"connections",
           {{"max", connections.max},
            {"keepalive", connections.keepalive},
            {"idle", format_duration(connections.idle)},
            {"queue", connections.queue},
            {"queue_timeout", format_duration(connections.queue_timeout)},
            {"retry_after", format_duration(connections.retry_after)}}},
          {"timeouts",
           {{"connect", format_duration(timeouts.connect)},
            {"first_byte", format_duration(timeouts.first_byte)},
            {"idle", format_duration(timeouts.idle)},
            {"total", format_duration(timeouts.total)},
            {"tunnel", format_duration(timeouts.tunnel)}}}};
}

constexpr std::string_view name_of(config::Heartbeat::Kind kind) {
  using Kind = config::Heartbeat::Kind;
  switch (kind) {
    case Kind::off:
      return "off";
    case Kind::automatic:
      return "auto";
    case Kind::chunk:
      return "chunk";
    case Kind::comment:
      return "comment";
    case Kind::newline:
      return "newline";
    case Kind::keep_going:
      return "continue";
    case Kind::processing:
      return "processing";
  }
  return {};
}

ConfigJson on_disconnect_json(const config::OnDisconnect& policy) {
  using Half = config::OnDisconnect::HalfClose;
  ConfigJson cleanups = ConfigJson::array();
  for (const auto& cleanup : policy.cleanups) cleanups.push_back(cleanup->name);
  return {{"upstream", policy.upstream == config::OnDisconnect::Upstream::finish ? "finish" : "abort"},
          {"half_close", policy.half_close == Half::probe   ? "probe"
                         : policy.half_close == Half::abort ? "abort"
                                                            : "wait"},
          {"grace", format_duration(policy.grace)},
          {"cleanup", std::move(cleanups)}};
}

ConfigJson route_json(const Route& route) {
  ConfigJson outcomes = ConfigJson::array();
  const bool calls = !route.on_disconnect.cleanups.empty();
  for (std::size_t i = 0; i < outcome_names.size(); ++i) {
    if (route.cleanup_on.contains(static_cast<Outcome>(i))) outcomes.push_back(outcome_names[i]);
  }
  return {{"name", route.name},
          {"match",
           {{"host", route.match.host ? ConfigJson(*route.match.host) : ConfigJson(nullptr)},
            {"path", route.match.path.text},
            {"methods", route.match.methods}}},
          {"allow", networks(route.access.allow)},
          {"auth", route.access.auth == Route::Access::Auth::none ? ConfigJson("none") : ConfigJson(nullptr)},
          {"ambiguous_paths", route.access.ambiguous_paths ? "allow" : "reject"},
          {"upstream", route.upstream->name},
          {"upgrades", route.upgrades},
          {"request",
           {{"set_header", named(route.request.set)},
            {"remove_header", route.request.remove},
            {"set_query", named(route.request.set_query)},
            {"set_json", named(route.request.set_json)},
            {"json_limit", bytes(route.request.json_limit)}}},
          {"response", {{"set_header", named(route.response.set)}, {"remove_header", route.response.remove}}},
          {"on_disconnect", on_disconnect_json(route.on_disconnect)},
          {"heartbeat",
           {{"every", format_duration(route.heartbeat.every)}, {"kind", name_of(route.heartbeat.kind)}}},
          {"cleanup_on", calls ? std::move(outcomes) : ConfigJson(nullptr)}};
}

constexpr std::string_view name_of(Cleanup::To to) {
  return to == Cleanup::To::url ? "url" : to == Cleanup::To::same_server ? "same_server" : "every_server";
}

ConfigJson cleanup_json(const Cleanup& cleanup) {
  return {{"to", name_of(cleanup.to)},
          {"url", url_of(cleanup.url)},
          {"method", cleanup.method},
          {"headers", named(cleanup.headers)},
          {"body", body_of(cleanup)},
          {"ok_status", cleanup.ok_status},
          {"delay", format_duration(cleanup.delay)},
          {"expire_after", cleanup.expire_after ? format_duration(*cleanup.expire_after) : "never"},
          {"timeout", format_duration(cleanup.timeout)},
          {"retry",
           {{"max_attempts", cleanup.retry.max_attempts},
            {"backoff",
             {{"base", format_duration(cleanup.retry.backoff_base)},
              {"max", format_duration(cleanup.retry.backoff_max)}}}}},
          {"signing_secret", cleanup.signing_keys.empty() ? ConfigJson(nullptr) : ConfigJson(not_shown)},
          {"allow", networks(cleanup.allow)},
          {"tls", tls_json(cleanup.tls)}};
}

ConfigJson outbox_json(const config::Outbox& outbox) {
  const bool in_file = outbox.store == config::Outbox::Store::sqlite;
  return {{"store", in_file ? "sqlite" : "memory"},
          {"path", outbox.path.string()},
          {"in_flight_journal", outbox.in_flight_journal},
          {"keep_delivered", outbox.keep_delivered ? format_duration(*outbox.keep_delivered) : "forever"}};
}

ConfigJson auth_json(const std::optional<config::Auth>& auth) {
  if (!auth) return nullptr;
  return {{"bearer_tokens_file", auth->bearer_tokens_file.string()},
          {"forward_authorization", auth->forward_authorization}};
}

std::string_view log_format(const config::AccessLog& access_log) {
  if (!access_log.line) return "json";
  const std::string& text = access_log.line->text();
  return text == config::LogLine::combined().text() ? "combined" : std::string_view(text);
}

}  // namespace

nlohmann::ordered_json config_json(const config::Config& config) {
  ConfigJson listeners = ConfigJson::array();
  for (const Listener& listener : config.listeners) listeners.push_back(listener_json(listener));
  ConfigJson upstreams = ConfigJson::object();
  for (const auto& upstream : config.upstreams) upstreams[upstream->name] = upstream_json(*upstream);
  ConfigJson routes = ConfigJson::array();
  for (const Route& route : config.routes) routes.push_back(route_json(route));
  ConfigJson cleanups = ConfigJson::object();
  for (const auto& cleanup : config.cleanups) cleanups[cleanup->name] = cleanup_json(*cleanup);
  const ConfigJson access_log = {{"path", config.access_log.path},
                                 {"format", log_format(config.access_log)},
                                 {"sample", config.access_log.sample}};
  return {
      {"file", config.file.string()},
      {"workers", config.workers},
      {"listeners", std::move(listeners)},
      {"auth", auth_json(config.auth)},
      {"resolver", config.resolver ? ConfigJson(config.resolver->to_string()) : ConfigJson(nullptr)},
      {"upstreams", std::move(upstreams)},
      {"routes", std::move(routes)},
      {"cleanups", std::move(cleanups)},
      {"receivers", {{"allow", networks(config.receivers)}}},
      {"outbox", outbox_json(config.outbox)},
      {"admin", {{"address", config.admin ? ConfigJson(config.admin->to_string()) : ConfigJson(nullptr)}}},
      {"access_log", config.access_log.enabled ? access_log : ConfigJson("off")},
      {"log", {{"path", config.log.path}, {"level", config.log.level}, {"format", "text"}}},
      {"shutdown", {{"drain", format_duration(config.drain)}}}};
}

}  // namespace hangup::admin
