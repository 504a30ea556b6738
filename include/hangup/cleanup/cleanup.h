// Cleanups: what is owed for an exchange that was cut, and how it gets to its receiver.
//
// The way of one: an exchange ends -> render() makes a Delivery of it on the worker's thread -> Outbox::add() takes it over
// (any thread, never waits) -> the Dispatcher, on a thread of its own, sends it until it is acknowledged or given up.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/fwd.h>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/config/config.h>

namespace hangup::cleanup {

// One cleanup on its way, with nothing left to look up: a value that can be stored.
struct Delivery {
  std::string id;             // webhook-id: stable over attempts, the receiver removes duplicates by it
  std::string cleanup;        // name in the configuration
  std::string request_id;     // of the exchange
  std::string method;
  std::string url;            // absolute, http
  std::vector<std::pair<std::string, std::string>> headers;  // webhook-id, webhook-timestamp and Content-Type among them
  std::string body;
  Duration timeout{};         // of one attempt
  config::Retry retry;
};

// Fills in the templates. The error says why this cleanup can't be called for this exchange: it is then `skipped`.
// `id` is the webhook-id. Any thread.
std::expected<Delivery, std::string> render(const config::Cleanup& cleanup, const config::VariableSource& source,
                                            std::string id, std::string request_id, WallTime now);

// Where deliveries are kept until they are acknowledged or dead. The one of this release keeps them in memory; a durable
// one implements the same.
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

// The outbox in memory and its dispatcher: sends what is added, with retries, backoff and full jitter, from a thread of its
// own. Bounded: beyond `capacity` pending deliveries a new one is a dead letter at once, and logged as one.
// Each attempt's end is one line of the access log, each delivery's end too.
class MemoryOutbox final : public Outbox {
 public:
  struct Options {
    std::size_t capacity = 100'000;
    std::size_t concurrency = 64;   // attempts under way to one receiver (scheme, host and port)
  };
  // Starts the thread. `log` gets one line per attempt's end (JSON, as the access log writes them); both loggers are
  // thread-safe and outlive this.
  MemoryOutbox(Options options, std::shared_ptr<spdlog::logger> access_log, std::shared_ptr<spdlog::logger> log);
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
