// /drain, /log-level: what operators set going.
#include "admin/pages.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hangup::admin {
namespace {

using spdlog::level::level_enum;
constexpr std::array<std::pair<std::string_view, level_enum>, 5> levels = {{{"trace", level_enum::trace},
                                                                            {"debug", level_enum::debug},
                                                                            {"info", level_enum::info},
                                                                            {"warn", level_enum::warn},
                                                                            {"error", level_enum::err}}};

Answer level_answer(const spdlog::logger& log) {
  const auto found = std::ranges::find(levels, log.level(), &std::pair<std::string_view, level_enum>::second);
  return json_answer(200, {{"level", found == levels.end() ? "error" : found->first}});
}

Answer set_level(spdlog::logger& log, const std::string& body) {
  const Json asked = Json::parse(body, nullptr, false);
  const auto level = asked.is_object() ? asked.find("level") : asked.end();
  const std::string name =
      asked.is_object() && level != asked.end() && level->is_string() ? level->get<std::string>() : "";
  const auto found = std::ranges::find(levels, name, &std::pair<std::string_view, level_enum>::first);
  if (found == levels.end()) {
    return error_answer(
        400,
        R"(expected {"level": "trace"}, or debug, info, warn or error: curl -X PUT -d '{"level":"debug"}')");
  }
  log.log(std::max(log.level(), level_enum::info), "log level={} as asked for at the admin listener", name);
  log.set_level(found->second);
  return level_answer(log);
}

}  // namespace

void add_control_pages(Pages& pages, const Office& office) {
  const Sources& sources = office.sources;
  pages["/drain"]["POST"] = [&sources](const Request&, const HttpListener::Reply& reply) {
    sources.drain();
    reply(json_answer(202, {{"status", "draining"}}));
  };
  HttpListener::Page& level = pages["/log-level"];
  level["GET"] = [&sources](const Request&, const HttpListener::Reply& reply) {
    reply(level_answer(*sources.loggers.log));
  };
  level["PUT"] = [&sources](const Request& request, const HttpListener::Reply& reply) {
    reply(set_level(*sources.loggers.log, request.body));
  };
}

}  // namespace hangup::admin
