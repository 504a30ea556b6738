#include "cleanup/event.h"
#include "cleanup/url.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include <hangup/base/text.h>
#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Written by whoever sends the request, or by us for every delivery: a configured one would contradict it.
bool is_ours(std::string_view name) {
  static constexpr std::array<std::string_view, 9> names = {
      "content-length", "transfer-encoding", "connection",       "te", "trailer", "upgrade",
      "webhook-id",     "webhook-timestamp", "webhook-signature"};
  return std::ranges::any_of(names, [&](std::string_view ours) { return equals_ignoring_case(name, ours); });
}

bool contains(const Headers& headers, std::string_view name) {
  return std::ranges::any_of(headers,
                             [&](const auto& header) { return equals_ignoring_case(header.first, name); });
}

std::string_view content_type_of(const config::Cleanup& cleanup) {
  switch (cleanup.body_kind) {
    case config::Cleanup::Body::cloudevent:
      return event_media_type;
    case config::Cleanup::Body::template_text:
      return cleanup.body_place == config::Place::json ? "application/json" : "text/plain; charset=utf-8";
    case config::Cleanup::Body::none:
      break;
  }
  return {};
}

std::expected<Headers, std::string> render_headers(const config::Cleanup& cleanup,
                                                   const config::VariableSource& source) {
  Headers headers;
  for (const auto& [name, value] : cleanup.headers) {
    if (is_ours(name)) continue;
    auto rendered = value.render(source, config::Place::header);
    if (!rendered) return std::unexpected(std::move(rendered.error()));
    headers.emplace_back(name, std::move(*rendered));
  }
  return headers;
}

// Where a delivery goes.
struct Target {
  std::string url;
  std::string socket;
  std::string host;           // for the Host field; "" for what the URL says
  std::string upstream = {};  // for https, as Delivery has it
  std::string server_name = {};
};

// The address and not the name: of a name with several addresses only this one had the request.
std::expected<Target, std::string> target_at(ServerAt at, std::string path) {
  const config::Server* server = at.server;
  if (server == nullptr) return std::unexpected("no server had the request");
  if (!path.starts_with('/')) return std::unexpected("the path for the server does not start with a /");
  if (server->address.is_unix()) {
    const auto* address = reinterpret_cast<const sockaddr_un*>(server->address.data());
    return Target{.url = "http://" + server->authority + path, .socket = address->sun_path, .host = {}};
  }
  const SocketAddress* address = server->name ? at.address : &server->address;
  const std::string authority = address != nullptr ? address->to_string() : server->authority;
  return Target{.url = (server->https ? "https://" : "http://") + authority + path,
                .socket = {},
                .host = authority == server->authority ? std::string() : server->authority,
                .upstream = server->https ? server->upstream : std::string(),
                .server_name = server->tls_name};
}

std::expected<Target, std::string> target_of(const config::Cleanup& cleanup, ServerAt to,
                                             const config::VariableSource& source) {
  auto url = cleanup.url.render(source, config::Place::url);
  if (!url) return std::unexpected(std::move(url.error()));
  std::expected<Target, std::string> target = Target{.url = std::move(*url), .socket = {}, .host = {}};
  if (cleanup.to != config::Cleanup::To::url) target = target_at(to, std::move(target->url));
  if (!target) return target;
  if (const auto parsed = parse_url(target->url); !parsed) return std::unexpected(parsed.error().message);
  return target;
}

// A request id as a part of a webhook-id: one that a client chose may have any bytes, but an id goes into a
// header, and a `.` in it would make what is signed ambiguous.
std::string as_id(std::string_view request_id) {
  std::string id;
  for (const char c : request_id) {
    if (c == '.') {
      id += "%2E";
    } else {
      append_percent_encoded(id, {&c, 1});
    }
  }
  return id;
}

}  // namespace

std::expected<Delivery, std::string> render(const config::Cleanup& cleanup, ServerAt to,
                                            const config::VariableSource& source, std::string id,
                                            std::string request_id, WallTime now) {
  auto target = target_of(cleanup, to, source);
  if (!target) return std::unexpected(std::move(target.error()));

  auto headers = render_headers(cleanup, source);
  if (!headers) return std::unexpected(std::move(headers.error()));
  if (!target->host.empty() && !contains(*headers, "host")) {
    headers->emplace_back("Host", std::move(target->host));
  }

  std::string scratch;
  static const config::VariableRef id_variable{
      .variable = config::Variable::request_id, .name = {}, .fallback = {}, .raw = false};
  const std::string shown_id(source.value(id_variable, scratch).value_or(request_id));
  std::string body;
  if (cleanup.body_kind == config::Cleanup::Body::cloudevent) {
    body = make_event(source, id, shown_id);
  } else if (cleanup.body_kind == config::Cleanup::Body::template_text) {
    auto rendered = cleanup.body.render(source, cleanup.body_place);
    if (!rendered) return std::unexpected(std::move(rendered.error()));
    body = std::move(*rendered);
  }

  if (const auto type = content_type_of(cleanup); !type.empty() && !contains(*headers, "content-type")) {
    headers->emplace_back("Content-Type", type);
  }
  if (!contains(*headers, "user-agent")) headers->emplace_back("User-Agent", "hangup/" HANGUP_VERSION);
  static const config::VariableRef trace_variable{
      .variable = config::Variable::trace_parent, .name = {}, .fallback = {}, .raw = false};
  if (const auto trace = source.value(trace_variable, scratch); trace && !contains(*headers, "traceparent"))
    headers->emplace_back("traceparent", *trace);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  headers->emplace_back("webhook-id", id);
  headers->emplace_back("webhook-timestamp", std::to_string(seconds));

  return Delivery{.id = std::move(id),
                  .cleanup = cleanup.name,
                  .request_id = request_id,
                  .given_id = shown_id == request_id ? std::string() : shown_id,
                  .turn = 0,
                  .method = cleanup.method,
                  .url = std::move(target->url),
                  .socket = std::move(target->socket),
                  .upstream = std::move(target->upstream),
                  .server_name = std::move(target->server_name),
                  .headers = std::move(*headers),
                  .body = std::move(body),
                  .timeout = cleanup.timeout,
                  .retry = cleanup.retry,
                  .ok_status = cleanup.ok_status,
                  .created = now,
                  .delay = cleanup.delay,
                  .expire_after = cleanup.expire_after,
                  .is_signed = !cleanup.signing_keys.empty()};
}

Owed render_all(const config::Route& route, ServerAt had_it, const config::VariableSource& source,
                std::string_view request_id, WallTime now, std::span<const AddressList> addresses) {
  Owed owed;
  const std::string base = as_id(request_id);
  const auto add = [&](const config::Cleanup& cleanup, ServerAt to, std::string id, std::size_t turn) {
    auto delivery = render(cleanup, to, source, std::move(id), std::string(request_id), now);
    if (delivery) {
      delivery->turn = static_cast<unsigned>(turn);
      owed.deliveries.push_back(std::move(*delivery));
    } else {
      if (!owed.skipped.empty()) owed.skipped += "; ";
      owed.skipped += delivery.error();
      owed.skipped_cleanups.push_back(turn);
    }
    return delivery.has_value();
  };
  for (std::size_t i = 0; i < route.on_disconnect.cleanups.size(); ++i) {
    const config::Cleanup& cleanup = *route.on_disconnect.cleanups[i];
    const std::string id = base + '-' + std::to_string(i);
    if (cleanup.to != config::Cleanup::To::every_server) {
      add(cleanup, had_it, id, i);
      continue;
    }
    const auto& servers = route.upstream->servers;
    for (std::size_t j = 0; j < servers.size(); ++j) {
      const bool known = j < addresses.size() && !addresses[j]->empty();
      const std::string id_there = id + '-' + std::to_string(j);
      // What one server can't be called for, none can.
      if (!add(cleanup, {&servers[j], known ? &addresses[j]->front() : nullptr}, id_there, i)) break;
      for (std::size_t k = 1; known && k < addresses[j]->size(); ++k)
        add(cleanup, {&servers[j], &(*addresses[j])[k]}, id_there + '-' + std::to_string(k), i);
    }
  }
  return owed;
}

}  // namespace hangup::cleanup
