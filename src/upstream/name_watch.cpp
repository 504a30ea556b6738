#include "upstream/name_watch.h"

#include "upstream/jitter.h"
#include "upstream/shared_upstream.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <utility>

namespace hangup::upstream {
namespace {

std::string listed(const std::vector<SocketAddress>& addresses) {
  std::string all;
  for (const SocketAddress& address : addresses) all += (all.empty() ? "" : ",") + address.to_string();
  return all;
}

}  // namespace

NameWatch::NameWatch(Scheduler& scheduler, SharedUpstream& upstream, std::size_t server, LookUp look_up,
                     std::function<double()> random, spdlog::logger& log, std::function<void()> on_first)
    : scheduler_(scheduler),
      upstream_(upstream),
      server_(server),
      look_up_(std::move(look_up)),
      random_(std::move(random)),
      log_(log),
      on_first_(std::move(on_first)),
      timer_(scheduler.make_timer([this] { ask(); })) {}

void NameWatch::ask() {
  const config::Name& name = *upstream_.config().servers[server_].name;
  lookup_ =
      look_up_(name.host, name.port, [this](net::Resolver::Addresses found) { answered(std::move(found)); });
}

void NameWatch::answered(net::Resolver::Addresses found) {
  const config::Upstream& config = upstream_.config();
  upstream_.looked_up(server_, found.has_value());
  if (found) {
    this->found(usable(std::move(*found)));
  } else if (!std::exchange(failing_, true)) {
    const bool any = upstream_.addresses().has_any(server_);
    log_.warn("upstream={} server={}: {}; {}", config.name, config.servers[server_].url,
              found.error().message,
              any ? "the addresses found before stay in use" : "it is down until that succeeds");
  }
  Duration wait = *config.resolve;
  if (!upstream_.addresses().has_any(server_)) wait = std::min<Duration>(wait, impatient);
  timer_->set(scheduler_.now() + jittered(wait, random_()));
  if (const auto first = std::exchange(on_first_, nullptr)) first();
}

void NameWatch::found(std::vector<SocketAddress> addresses) {
  const config::Upstream& config = upstream_.config();
  const std::string now = listed(addresses);
  const bool was_failing = std::exchange(failing_, false);
  const bool had_any = upstream_.addresses().has_any(server_);
  const bool changed = upstream_.use_addresses(server_, std::move(addresses), scheduler_.now());
  if (changed && was_failing && !had_any) upstream_.came_up(server_, scheduler_.now());
  if (was_failing || (changed && had_any))
    log_.info("upstream={} server={} is at {}", config.name, config.servers[server_].url, now);
}

}  // namespace hangup::upstream
