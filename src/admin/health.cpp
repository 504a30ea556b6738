// /live, /ready: for orchestrators.
#include "admin/pages.h"

#include <algorithm>
#include <utility>

namespace hangup::admin {
namespace {

std::vector<std::string> reasons_not_to_be_ready(const Sources& sources) {
  std::vector<std::string> reasons;
  if (sources.draining()) reasons.emplace_back("draining");
  if (auto trouble = sources.outbox.trouble(); !trouble.empty())
    reasons.push_back("outbox: " + std::move(trouble));
  const auto running = sources.running();
  for (std::size_t i = 0; i < running->upstreams.size(); ++i) {
    const config::Upstream& upstream = *running->config->upstreams[i];
    if (!upstream.required) continue;
    const upstream::UpstreamState state = upstream::state_of(*running->upstreams[i]);
    if (std::ranges::none_of(state.servers, &upstream::ServerState::up))
      reasons.push_back("upstream " + upstream.name + ": no server is up");
  }
  return reasons;
}

}  // namespace

void add_health_pages(Pages& pages, const Office& office) {
  pages["/live"]["GET"] = [](const Request&, const HttpListener::Reply& reply) {
    reply(json_answer(200, {{"status", "live"}}));
  };
  pages["/ready"]["GET"] = [&sources = office.sources](const Request&, const HttpListener::Reply& reply) {
    const auto reasons = reasons_not_to_be_ready(sources);
    const bool ready = reasons.empty();
    reply(json_answer(ready ? 200 : 503, {{"status", ready ? "ready" : "not ready"}, {"reasons", reasons}}));
  };
}

}  // namespace hangup::admin
