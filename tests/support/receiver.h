// The receiver of the cleanup webhooks: a scripted server that answers 204 unless told otherwise.
#pragma once

#include "support/mock_upstream.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hangup::test {

// One attempt as it arrived.
struct Call {
  Message message;
  nlohmann::json body;  // null if it has none, or none in JSON
  Time at;
  // What the receiver removes duplicates by; "" if there is none.
  std::string webhook_id() const { return message.header("webhook-id").value_or(""); }
};

class Receiver {
 public:
  Receiver() { server_.otherwise(respond(204)); }
  explicit Receiver(const SocketAddress& where) : server_({.address = where.to_string()}) {
    server_.otherwise(respond(204));
  }

  MockUpstream& server() { return server_; }
  std::string url(std::string_view path = "/stop") const { return server_.url() + std::string(path); }
  // Whole calls, in order of arrival.
  std::vector<Call> calls() const;
  std::vector<Call> wait_for_calls(std::size_t n) const;
  Call wait_for_call() const { return wait_for_calls(1).front(); }

 private:
  MockUpstream server_;
};

}  // namespace hangup::test
