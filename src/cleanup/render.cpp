#include "cleanup/event.h"
#include "cleanup/url.h"

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
  static constexpr std::array<std::string_view, 8> names = {
      "content-length", "transfer-encoding", "connection", "te",
      "trailer",        "upgrade",           "webhook-id", "webhook-timestamp"};
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

}  // namespace

std::expected<Delivery, std::string> render(const config::Cleanup& cleanup, const config::Server* /*server*/,
                                            const config::VariableSource& source, std::string id,
                                            std::string request_id, WallTime now) {
  auto url = cleanup.url.render(source, config::Place::url);
  if (!url) return std::unexpected(std::move(url.error()));
  if (const auto parsed = parse_url(*url); !parsed) return std::unexpected(parsed.error().message);

  auto headers = render_headers(cleanup, source);
  if (!headers) return std::unexpected(std::move(headers.error()));

  std::string body;
  if (cleanup.body_kind == config::Cleanup::Body::cloudevent) {
    body = make_event(source, id, request_id);
  } else if (cleanup.body_kind == config::Cleanup::Body::template_text) {
    auto rendered = cleanup.body.render(source, cleanup.body_place);
    if (!rendered) return std::unexpected(std::move(rendered.error()));
    body = std::move(*rendered);
  }

  if (const auto type = content_type_of(cleanup); !type.empty() && !contains(*headers, "content-type")) {
    headers->emplace_back("Content-Type", type);
  }
  if (!contains(*headers, "user-agent")) headers->emplace_back("User-Agent", "hangup/" HANGUP_VERSION);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  headers->emplace_back("webhook-id", id);
  headers->emplace_back("webhook-timestamp", std::to_string(seconds));

  return Delivery{.id = std::move(id),
                  .cleanup = cleanup.name,
                  .request_id = std::move(request_id),
                  .turn = 0,
                  .method = cleanup.method,
                  .url = std::move(*url),
                  .socket = {},
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

Owed render_all(const config::Route& route, const config::Server* server,
                const config::VariableSource& source, std::string_view request_id, WallTime now) {
  Owed owed;
  unsigned turn = 0;
  for (std::size_t i = 0; i < route.on_disconnect.cleanups.size(); ++i) {
    auto delivery = render(*route.on_disconnect.cleanups[i], server, source,
                           std::string(request_id) + '-' + std::to_string(i), std::string(request_id), now);
    if (!delivery) {
      if (!owed.skipped.empty()) owed.skipped += "; ";
      owed.skipped += delivery.error();
      continue;
    }
    delivery->turn = turn++;
    owed.deliveries.push_back(std::move(*delivery));
  }
  return owed;
}

}  // namespace hangup::cleanup
