// One check of a server: a connection of its own, with TLS where requests have it, and, where the check has a
// path, one request.
#pragma once

#include "upstream/health_checker.h"
#include "upstream/http1_connection.h"

#include <memory>

#include <hangup/base/address.h>
#include <hangup/config/config.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/tls.h>

namespace hangup::upstream {

struct ProbeTarget {
  const config::Upstream& upstream;  // with a `health`
  const config::Server& server;
  SocketAddress address;
  std::shared_ptr<net::TlsPeer> peer;  // null for plain text
};

// Threading: the loop's thread, which outlives it, as the configuration does.
std::unique_ptr<Probe> start_probe(net::EventLoop& loop, const ProbeTarget& target, HealthChecker::Done done);

}  // namespace hangup::upstream
