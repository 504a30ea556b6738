// Cleanups: what is owed for an exchange that was cut, and how it gets to its receiver.
//
// The way of one: an exchange ends -> render() makes a Delivery of it on the worker's thread -> Outbox::add()
// takes it over (any thread, never waits) -> the Dispatcher, on a thread of its own, sends it until it is
// acknowledged or given up.
#pragma once

#include <spdlog/fwd.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/config/config.h>

namespace hangup::cleanup {

// One cleanup on its way, with nothing left to look up: a value that can be stored.
struct Delivery {
  std::string id;          // webhook-id: stable over attempts, the receiver removes duplicates by it
  std::string cleanup;     // name in the configuration
  std::string request_id;  // of the exchange
  std::string method;
  std::string url;  // absolute, http
  // webhook-id, webhook-timestamp (set afresh for each attempt) and Content-Type among them. Framing,
  // Connection, and Host where it is not given, are the sender's.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Duration timeout{};  // of one attempt
  config::Retry retry;
};

// Fills in the templates. The error says why this cleanup can't be called for this exchange: it is then
// `skipped`. `id` is the webhook-id. Any thread.
//
// The body is by default a CloudEvents 1.0 event: id is the webhook-id, source "/hangup/routes/<route>", type
// "dev.hangup.exchange.<outcome>", subject the request id, and data has request_id, outcome, phase, route,
// method, host, path, query, client, upstream and status, each where it has a value. Content-Type and
// User-Agent are defaults; a configured header that would contradict the framing or the delivery's identity
// is left out.
std::expected<Delivery, std::string> render(const config::Cleanup& cleanup,
                                            const config::VariableSource& source, std::string id,
                                            std::string request_id, WallTime now);

// Where deliveries are kept until they are acknowledged or dead. The one of this release keeps them in
// memory; a durable one implements the same.
class Outbox {
 public:
  virtual ~Outbox() = default;
  // Takes the delivery over. Never waits for I/O or for a receiver. Any thread.
  virtual void add(Delivery delivery) = 0;
};

// What became of deliveries so far. Values of one moment.
struct Counts {
  std::uint64_t added = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dead = 0;
  std::uint64_t attempts = 0;
  std::uint64_t pending() const { return added - delivered - dead; }
};

// The outbox in memory and its dispatcher: sends what is added, with retries, backoff and full jitter, from a
// thread of its own. Bounded: beyond `capacity` pending deliveries a new one is a dead letter at once, and
// logged as one. Each attempt's end is one line of the access log; a delivery's last one says how it ended.
class MemoryOutbox final : public Outbox {
 public:
  struct Options {
    std::size_t capacity = 100'000;
    std::size_t concurrency = 64;  // attempts under way to one receiver (scheme, host and port)
  };
  // Starts the thread. `access_log`, which may be null, gets one line per attempt's end (JSON, with its line
  // end, as the access log writes them), `log` a warning for each dead letter.
  MemoryOutbox(Options options, std::shared_ptr<spdlog::logger> access_log,
               std::shared_ptr<spdlog::logger> log);
  ~MemoryOutbox() override;  // stops the thread; what is still pending is logged, each by its id, and lost

  void add(Delivery delivery) override;
  Counts counts() const;  // any thread
  // Waits until nothing is pending, or for `patience`. True when nothing is pending.
  bool drain(Duration patience);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::cleanup
