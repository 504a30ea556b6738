// The durable outbox. Three parties work on it:
//
//   any thread          add(): the deliveries go to the spool file and the queue
//   the store's thread  takes what is queued, commits it in one transaction, hands it on; writes what the
//                       dispatcher reports, the latest of each delivery only; loads, prunes, polls
//   the dispatcher's    its event loop, with the dispatcher and the sender
//
// Nothing is sent before it is committed, unless the store is in trouble.
#pragma once

#include <spdlog/fwd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/cleanup/open.h>
#include <hangup/config/config.h>

namespace hangup::cleanup {

// Any thread.
class SqliteOutbox final : public Outbox {
 public:
  struct Options {
    std::filesystem::path path;
    std::optional<Duration> keep_delivered = std::chrono::hours(24);
    bool in_flight_journal = true;
    std::size_t concurrency = 64;  // attempts under way to one receiver
    // Of what waits for the store's thread, which may wait for the disk. Beyond it a new delivery is a dead
    // letter.
    std::size_t queue_deliveries = 100'000;
    std::size_t queue_bytes = 64 * 1024 * 1024;
  };
  struct Opened {
    std::unique_ptr<SqliteOutbox> outbox;
    std::vector<CrashedExchange> crashed;
  };
  // `config` is asked for the routes of exchanges that were in flight when the last process died.
  static Result<Opened> open(Options options, const config::Config& config,
                             std::shared_ptr<spdlog::logger> access_log, std::shared_ptr<spdlog::logger> log);
  // Stops the threads and writes what became of the deliveries; the rest stays for the next start.
  ~SqliteOutbox() override;

  void add(std::vector<Delivery> deliveries) override;
  Counts counts() const override;
  std::map<std::string, CleanupCounts> counts_by_cleanup() const override;
  std::optional<WallTime> oldest_pending() const override;
  bool in_file() const override { return true; }
  std::string trouble() const override;
  bool drain(Duration patience) override;
  void use(std::shared_ptr<const Credentials> credentials) override;
  std::unique_ptr<InFlightJournal> make_journal() override;

 private:
  class Impl;
  explicit SqliteOutbox(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::cleanup
