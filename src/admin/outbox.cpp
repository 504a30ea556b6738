// /outbox, /outbox/retry, /outbox/drop: what `hangup outbox` shows and does, and by the same functions.
#include "admin/pages.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <hangup/admin/delivery_json.h>
#include <hangup/cleanup/outbox_file.h>

namespace hangup::admin {
namespace {

using cleanup::DeliveryState;
using cleanup::OutboxFile;

// The file may be locked for some seconds; the disk may never answer.
constexpr auto file_patience = std::chrono::seconds(8);
constexpr std::size_t shown_dead = 100;
constexpr std::size_t dropped_at_once = 500;

constexpr const char* expected_change =
    R"(expected {"ids": ["WEBHOOK-ID", ...]} or {"all_dead": true}: curl -d '{"all_dead":true}')";

// Runs `work` where it may wait for the disk, and replies with what it returns.
void with_file(const Office& office, const HttpListener::Reply& reply,
               std::function<Answer(const config::Config&)> work) {
  const auto answer = std::make_shared<Answer>();
  const auto ask = [&](Questions::Id id) {
    office.files.post([id, answer, work = std::move(work), config = office.sources.running()->config,
                       answered = office.questions.answering()] {
      answered(id, [answer, found = work(*config)]() mutable { *answer = std::move(found); });
    });
    return std::size_t{1};
  };
  office.questions.begin(ask, file_patience, [answer, reply](std::size_t missing) {
    reply(missing == 0 ? std::move(*answer) : error_answer(504, "outbox: the disk has not answered in time"));
  });
}

// ---- What there is

Json counts_json(const Sources& sources) {
  const cleanup::Counts counts = sources.outbox.counts();
  const auto oldest = sources.outbox.oldest_pending();
  const std::string trouble = sources.outbox.trouble();
  Json age = nullptr;
  if (oldest) age = std::max(0.0, std::chrono::duration<double>(SystemClock().wall() - *oldest).count());
  return {{"added", counts.added},
          {"delivered", counts.delivered},
          {"dead", counts.dead},
          {"pending", counts.pending()},
          {"attempts", counts.attempts},
          {"oldest_pending_seconds", std::move(age)},
          {"trouble", trouble.empty() ? Json(nullptr) : Json(trouble)}};
}

Json file_json(const config::Config& config) {
  auto file = OutboxFile::open(config.outbox.path);
  if (!file) return {{"error", file.error().message}};
  const auto stats = file->stats(SystemClock().wall());
  const auto dead = file->list({.state = DeliveryState::dead, .cleanup = {}, .limit = shown_dead});
  if (!stats || !dead) return {{"error", (!stats ? stats.error() : dead.error()).message}};
  Json json = stats_json(*stats);
  json["dead_letters"] = Json::array();
  for (const OutboxFile::Entry& entry : *dead) json["dead_letters"].push_back(delivery_json(entry));
  return json;
}

void show(const Office& office, const HttpListener::Reply& reply) {
  if (!office.sources.outbox.in_file()) {
    Json body = counts_json(office.sources);
    body["file"] = nullptr;
    return reply(json_answer(200, body));
  }
  with_file(office, reply, [&sources = office.sources](const config::Config& config) {
    // In this order: what the file says has been counted before.
    Json file = file_json(config);
    Json body = counts_json(sources);
    body["file"] = std::move(file);
    return json_answer(200, body);
  });
}

// ---- What is to be done

struct Asked {
  std::vector<std::string> ids;
  bool all_dead = false;
};

std::optional<Asked> read_asked(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object() || json.size() != 1) return std::nullopt;
  Asked asked;
  if (const auto all = json.find("all_dead"); all != json.end()) {
    asked.all_dead = all->is_boolean() && all->get<bool>();
    return asked.all_dead ? std::optional(asked) : std::nullopt;
  }
  const auto ids = json.find("ids");
  if (ids == json.end() || !ids->is_array() || ids->empty()) return std::nullopt;
  for (const Json& id : *ids) {
    if (!id.is_string()) return std::nullopt;
    asked.ids.push_back(id.get<std::string>());
  }
  return asked;
}

Result<std::size_t> retry(OutboxFile& file, const Asked& asked) {
  const WallTime now = SystemClock().wall();
  return asked.all_dead ? file.retry_all_dead(now) : file.retry(asked.ids, now);
}

// All that are dead: some at a time, so that a running hangup waits for none of it.
Result<std::size_t> drop(OutboxFile& file, const Asked& asked) {
  if (!asked.all_dead) return file.drop(asked.ids);
  for (std::size_t dropped = 0;;) {
    const auto dead = file.list({.state = DeliveryState::dead, .cleanup = {}, .limit = dropped_at_once});
    if (!dead) return std::unexpected(dead.error());
    if (dead->empty()) return dropped;
    std::vector<std::string> ids;
    for (const OutboxFile::Entry& entry : *dead) ids.push_back(entry.id);
    const auto gone = file.drop(ids);
    if (!gone) return gone;
    dropped += *gone;
  }
}

using Change = Result<std::size_t> (*)(OutboxFile&, const Asked&);

Answer carry_out(const config::Config& config, const Asked& asked, Change change) {
  auto file = OutboxFile::open(config.outbox.path);
  if (!file) return error_answer(503, file.error().message);
  const auto changed = change(*file, asked);
  if (!changed) return error_answer(503, changed.error().message);
  if (!asked.ids.empty() && *changed == 0)
    return error_answer(404, "outbox: no such delivery, or not in a state for this");
  Json body = {{"changed", *changed}};
  if (!asked.ids.empty()) body["not_found"] = asked.ids.size() - std::min(asked.ids.size(), *changed);
  return json_answer(200, body);
}

HttpListener::Handler changing(const Office& office, Change change) {
  return [office, change](const Request& request, const HttpListener::Reply& reply) {
    auto asked = read_asked(request.body);
    if (!asked) return reply(error_answer(400, expected_change));
    if (!office.sources.outbox.in_file())
      return reply(error_answer(409, "outbox: this configuration keeps none in a file"));
    with_file(office, reply, [asked = *std::move(asked), change](const config::Config& config) {
      return carry_out(config, asked, change);
    });
  };
}

}  // namespace

void add_outbox_pages(Pages& pages, const Office& office) {
  pages["/outbox"]["GET"] = [office](const Request&, const HttpListener::Reply& reply) {
    show(office, reply);
  };
  pages["/outbox/retry"]["POST"] = changing(office, retry);
  pages["/outbox/drop"]["POST"] = changing(office, drop);
}

}  // namespace hangup::admin
