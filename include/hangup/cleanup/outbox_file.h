// The outbox's file as an operator sees it: for looking at deliveries, trying them again and dropping them,
// whether hangup runs or not. A running one learns within a second of what was changed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {

// The numbers are those in the file.
enum class DeliveryState : std::uint8_t {
  pending,    // waits for an attempt
  in_flight,  // an attempt is under way; after a crash as good as pending
  delivered,  // acknowledged; kept for `keep_delivered`
  dead,       // given up; kept until it is retried or dropped
};
inline constexpr std::array<std::string_view, 4> delivery_state_names = {"pending", "in_flight", "delivered",
                                                                         "dead"};
constexpr std::string_view to_string(DeliveryState state) {
  return delivery_state_names[static_cast<std::size_t>(state)];
}

// Threading: one thread at a time.
class OutboxFile {
 public:
  struct Entry {
    std::string id;
    std::string request_id;
    std::string cleanup;
    std::string receiver;  // "http://host:port", or "unix:/path"
    unsigned turn = 0;
    DeliveryState state = DeliveryState::pending;
    unsigned attempts = 0;
    WallTime created{};
    std::optional<WallTime> next_attempt;
    std::optional<WallTime> expires;  // nullopt: never
    std::optional<WallTime> ended;    // delivered or dead
    std::optional<int> last_status;   // 0: no response
    std::string last_error;
    std::string dead_reason;
  };
  struct Shown {
    Entry entry;
    Delivery delivery;
  };
  struct Filter {
    std::optional<DeliveryState> state;
    std::string cleanup;  // "" for all
    std::size_t limit = 100;
  };
  struct Stats {
    // By cleanup and state; only what there is.
    std::map<std::string, std::map<DeliveryState, std::uint64_t>> counts;
    std::optional<Duration> oldest_pending;  // its age
  };

  // The error says what to do: the file is not there, can't be read, or is none of this version's outboxes.
  static Result<OutboxFile> open(const std::filesystem::path& path);
  OutboxFile(OutboxFile&&) noexcept;
  OutboxFile& operator=(OutboxFile&&) noexcept;
  ~OutboxFile();

  // The newest first.
  Result<std::vector<Entry>> list(const Filter& filter);
  // nullopt: there is none.
  Result<std::optional<Shown>> show(std::string_view id);
  // A dead letter is pending again, with all its attempts and, from now, its time to expire; a pending
  // delivery is tried at once. Returns how many were found in one of these states.
  Result<std::size_t> retry(std::span<const std::string> ids, WallTime now);
  Result<std::size_t> retry_all_dead(WallTime now);
  // Takes deliveries out, in whatever state; an attempt that is under way is not stopped. Returns how many.
  Result<std::size_t> drop(std::span<const std::string> ids);
  Result<Stats> stats(WallTime now);
  // How many are dead: less work than stats(), which looks at all there is.
  Result<std::uint64_t> dead_letters();

 private:
  class Impl;
  explicit OutboxFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::cleanup
