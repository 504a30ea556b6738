// /metrics: in the text format of Prometheus, written by prometheus-cpp. README.md says what each means.
//
// Nothing is kept in a registry: counters are where they are counted, and added up when somebody asks.
#include "admin/families.h"
#include "admin/pages.h"

#include <prometheus/text_serializer.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <hangup/cleanup/outbox_file.h>

namespace hangup::admin {
namespace {

// For the number of dead letters, which only the outbox's file has: without it, the rest is there in time.
constexpr auto dead_letter_patience = std::chrono::milliseconds(500);

using DeadLetters = std::optional<std::uint64_t>;

DeadLetters count_dead_letters(const config::Config& config) {
  auto file = cleanup::OutboxFile::open(config.outbox.path);
  if (!file) return std::nullopt;
  const auto count = file->dead_letters();
  return count ? DeadLetters(*count) : std::nullopt;
}

Answer metrics_answer(const Sources& sources, DeadLetters dead_letters) {
  return {.status = 200,
          .body = prometheus::TextSerializer().Serialize(collect(sources, dead_letters)),
          .content_type = "text/plain; version=0.0.4; charset=utf-8"};
}

}  // namespace

void add_metrics_page(Pages& pages, const Office& office) {
  pages["/metrics"]["GET"] = [office](const Request&, const HttpListener::Reply& reply) {
    const Sources& sources = office.sources;
    const auto config = sources.running()->config;
    if (!sources.outbox.in_file()) return reply(metrics_answer(sources, std::nullopt));
    const auto dead_letters = std::make_shared<DeadLetters>();
    const auto ask = [&](Questions::Id id) {
      office.files.post([id, dead_letters, config, answered = office.questions.answering()] {
        answered(id, [dead_letters, count = count_dead_letters(*config)] { *dead_letters = count; });
      });
      return std::size_t{1};
    };
    office.questions.begin(ask, dead_letter_patience, [&sources, dead_letters, reply](std::size_t) {
      reply(metrics_answer(sources, *dead_letters));
    });
  };
}

}  // namespace hangup::admin
