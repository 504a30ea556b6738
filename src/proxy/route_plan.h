// What follows from a route and is the same for each of its exchanges.
#pragma once

#include "proxy/json_capture.h"

#include <vector>

#include <hangup/cleanup/cleanup.h>
#include <hangup/config/config.h>
#include <hangup/observe/metrics.h>

namespace hangup::proxy {

// Belongs to a worker's thread, as the counters do.
struct RoutePlan {
  RoutePlan(const config::Route& route, observe::WorkerMetrics& metrics)
      : request_json(route, config::Variable::request_json),
        response_json(route, config::Variable::response_json),
        snapshot(route),
        counts(metrics.route(route.name)) {
    for (const auto& cleanup : route.on_disconnect.cleanups) skips.push_back(&metrics.skips(cleanup->name));
  }

  CapturePlan request_json;
  CapturePlan response_json;
  cleanup::SnapshotPlan snapshot;
  observe::RouteCounts& counts;
  std::vector<observe::SkipCounts*> skips;  // as the route's cleanups
};

}  // namespace hangup::proxy
