// The admin pages, a few of a kind in each source file: each function adds the pages of its file.
//
// Handlers run on the listener's thread and must not wait: what takes time is asked of other threads.
#pragma once

#include "admin/http_listener.h"
#include "admin/questions.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include <hangup/admin/admin.h>
#include <hangup/net/event_loop.h>

namespace hangup::admin {

using Json = nlohmann::ordered_json;
using Pages = std::map<std::string, HttpListener::Page, std::less<>>;

// What pages share; outlives them.
struct Office {
  const Sources& sources;
  Questions& questions;
  net::EventLoop& files;  // of a thread that may wait for the disk
};

void add_health_pages(Pages& pages, const Office& office);    // /live, /ready
void add_metrics_page(Pages& pages, const Office& office);    // /metrics
void add_exchanges_page(Pages& pages, const Office& office);  // /exchanges
void add_outbox_pages(Pages& pages, const Office& office);    // /outbox, /outbox/retry, /outbox/drop
void add_config_page(Pages& pages, const Office& office);     // /config
void add_control_pages(Pages& pages, const Office& office);   // /drain, /log-level

// Valid JSON whatever bytes are in it.
inline Answer json_answer(int status, const Json& body) {
  return {.status = status, .body = body.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n'};
}
inline Answer error_answer(int status, std::string message) {
  return json_answer(status, Json{{"error", std::move(message)}});
}

}  // namespace hangup::admin
