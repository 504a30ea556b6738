// /exchanges: what is in flight now. Each worker is asked by its loop, and stops for it only as long as it
// takes to copy a bounded number of lines.
#include "admin/pages.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace hangup::admin {
namespace {

constexpr std::size_t usual_limit = 100;
constexpr std::size_t most_listed = 1000;
constexpr auto workers_patience = std::chrono::seconds(1);

struct FoundInFlight {
  std::vector<proxy::InFlight> exchanges;
  std::size_t in_flight = 0;
};

Json known(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json to_json(const proxy::InFlight& exchange) {
  return {{"request_id", exchange.request_id},
          {"route", known(exchange.route)},
          {"client", exchange.client},
          {"method", known(exchange.method)},
          {"host", known(exchange.host)},
          {"path", known(exchange.path)},
          {"phase", to_string(exchange.phase)},
          {"client_gone", exchange.client_is_gone},
          {"age_seconds", std::chrono::duration<double>(exchange.age).count()},
          {"upstream", known(exchange.upstream)}};
}

Answer exchanges_answer(FoundInFlight& found, std::size_t limit, std::size_t missing) {
  std::ranges::sort(found.exchanges, std::ranges::greater{}, &proxy::InFlight::age);
  if (found.exchanges.size() > limit) found.exchanges.resize(limit);
  Json exchanges = Json::array();
  for (const proxy::InFlight& exchange : found.exchanges) exchanges.push_back(to_json(exchange));
  return json_answer(200, {{"in_flight", found.in_flight},
                           {"exchanges", std::move(exchanges)},
                           {"workers_without_answer", missing}});
}

std::optional<std::size_t> limit_of(const Request& request) {
  const auto given = request.query.find("limit");
  if (given == request.query.end()) return usual_limit;
  const std::string& text = given->second;
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc{} || end != text.data() + text.size() || limit > most_listed) return std::nullopt;
  return limit;
}

}  // namespace

void add_exchanges_page(Pages& pages, const Office& office) {
  pages["/exchanges"]["GET"] = [&sources = office.sources, &questions = office.questions](
                                   const Request& request, const HttpListener::Reply& reply) {
    const auto limit = limit_of(request);
    if (!limit)
      return reply(error_answer(400, "limit: expected a number up to " + std::to_string(most_listed)));
    const auto found = std::make_shared<FoundInFlight>();
    const auto ask = [&](Questions::Id id) {
      return sources.ask_workers([id, found, most = *limit, answered = questions.answering()](
                                     std::span<const proxy::Proxy* const> proxies) {
        FoundInFlight here;
        for (const proxy::Proxy* proxy : proxies) {
          here.in_flight += proxy->in_flight();
          std::ranges::move(proxy->oldest_in_flight(most), std::back_inserter(here.exchanges));
        }
        answered(id, [found, here = std::move(here)]() mutable {
          found->in_flight += here.in_flight;
          std::ranges::move(here.exchanges, std::back_inserter(found->exchanges));
        });
      });
    };
    questions.begin(ask, workers_patience, [found, reply, most = *limit](std::size_t missing) {
      reply(exchanges_answer(*found, most, missing));
    });
  };
}

}  // namespace hangup::admin
