// What follows from a route and is the same for each of its exchanges.
#pragma once

#include "proxy/json_capture.h"

#include <hangup/cleanup/cleanup.h>
#include <hangup/config/config.h>

namespace hangup::proxy {

// Any thread.
struct RoutePlan {
  explicit RoutePlan(const config::Route& route)
      : request_json(route, config::Variable::request_json),
        response_json(route, config::Variable::response_json),
        snapshot(route) {}

  CapturePlan request_json;
  CapturePlan response_json;
  cleanup::SnapshotPlan snapshot;
};

}  // namespace hangup::proxy
