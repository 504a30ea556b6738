// How an upstream's servers are chosen, and what becomes of a request that one of them failed.
#pragma once

#include "config/section.h"

namespace hangup::config {

// `balance`, of an upstream.
void read_balance(Section& section, Upstream& upstream);

// `retries`, of an upstream.
void read_retries(Section& section, Retries& retries);

// Reports every {path.NAME} that the upstream's servers are chosen by and that a route to it, at `node`,
// does not capture.
void check_balance_of_route(Reader& reader, const Node& node, const Upstream& upstream,
                            const PathPattern& path);

}  // namespace hangup::config
