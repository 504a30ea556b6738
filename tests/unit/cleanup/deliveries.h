// Deliveries for tests of the outbox's files.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {

inline Delivery make_delivery(const std::string& request_id, unsigned turn = 0,
                              const std::string& url = "http://127.0.0.1:9/stop") {
  using namespace std::chrono_literals;
  Delivery delivery;
  delivery.id = request_id + '-' + std::to_string(turn);
  delivery.cleanup = "stop-report";
  delivery.request_id = request_id;
  delivery.turn = turn;
  delivery.method = "POST";
  delivery.url = url;
  delivery.headers = {
      {"Content-Type", "application/json"}, {"webhook-id", delivery.id}, {"webhook-timestamp", "0"}};
  delivery.body = R"({"a":1})";
  delivery.timeout = 10s;
  delivery.retry = {.max_attempts = 3, .backoff_base = 1ms, .backoff_max = 5ms};
  delivery.ok_status = {404, 409};
  delivery.created = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  delivery.expire_after = 1h;
  return delivery;
}

inline std::vector<Delivery> make_exchange(const std::string& request_id, unsigned deliveries = 1) {
  std::vector<Delivery> exchange;
  for (unsigned turn = 0; turn < deliveries; ++turn) exchange.push_back(make_delivery(request_id, turn));
  return exchange;
}

}  // namespace hangup::cleanup
