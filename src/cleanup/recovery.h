// From what a journal holds of an exchange to what it owes. No files.
#pragma once

#include "cleanup/journal.h"

#include <spdlog/fwd.h>

#include <optional>
#include <vector>

#include <hangup/cleanup/cleanup.h>
#include <hangup/cleanup/open.h>
#include <hangup/config/config.h>

namespace hangup::cleanup {

struct Recovered {
  CrashedExchange exchange;
  std::vector<Delivery> deliveries;
};

// Renders the cleanups of the route as it is configured now; the ids are those that any earlier attempt to do
// so gave. A route that is gone, or calls none any more, is a warning that names the exchange. nullopt for
// what is no snapshot. `died` is when the exchange was cut, from which its deliveries' times count.
std::optional<Recovered> recover(const Leftover& leftover, const config::Config& config, WallTime died,
                                 spdlog::logger& log);

}  // namespace hangup::cleanup
