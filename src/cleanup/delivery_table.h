// The table of deliveries in the outbox's file, as the running hangup uses it: every query that it makes.
//
// Errors are the database's: see sqlite.h.
#pragma once

#include "cleanup/sqlite.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/cleanup/outbox_file.h>

namespace hangup::cleanup {

// How far a delivery has come.
struct Standing {
  DeliveryState state = DeliveryState::pending;
  unsigned attempts = 0;
  std::optional<WallTime> next_attempt = {};
  std::optional<WallTime> ended = {};
  std::optional<int> status = {};  // of the last attempt; nullopt: as before
  std::string error = {};
  std::string reason = {};  // of a dead letter

  bool has_ended() const { return state == DeliveryState::delivered || state == DeliveryState::dead; }
};

// Where it goes: "http://host:port", "unix:/path"; "?" if nowhere. What waits in the file does so in lanes,
// by this.
std::string receiver_of(const Delivery& delivery);

// Threading: one thread at a time.
class DeliveryTable {
 public:
  struct Row {
    std::string id;
    std::string request_id;
    std::string lane;
    unsigned attempts = 0;
    std::optional<WallTime> next_attempt;
    WallTime created;                  // or revived by an operator: what its expiry counts from
    std::optional<Delivery> delivery;  // nullopt: it can't be read
  };
  struct Change {
    std::string id;
    std::string what;
  };

  // Makes the file if it is not there, and brings it up to date. The Error is for one to be left alone.
  Result<void> open(const std::filesystem::path& path);
  void close();
  bool is_open() const { return database_.is_open(); }
  // The file that is open is no longer the one at its path.
  bool has_moved();
  bool ok() const { return database_.ok(); }
  std::optional<SqliteError> take_error() { return database_.take_error(); }

  void begin() { database_.execute("BEGIN IMMEDIATE"); }
  void commit() { database_.execute("COMMIT"); }

  // False when it is there already.
  bool insert(const Delivery& delivery, const Standing& standing);
  void update(std::string_view id, const Standing& standing);
  // There is a delivery of this exchange, in whatever state.
  bool knows_exchange(const std::string& request_id);

  // Of a row, before it is read.
  struct Key {
    std::string_view id;
    std::string_view request_id;
    std::string_view lane;
    unsigned turn = 0;
  };
  // Whether it is to be read and given to `take`; nullopt: neither it nor what comes behind it.
  using Wanted = std::function<std::optional<bool>(const Key& key)>;
  using Take = std::function<void(Row)>;
  // What waits in a lane, in the order in which it came. True when it came to the end.
  bool waiting(const std::string& lane, const Wanted& wanted, const Take& take);
  // What waits of the exchange of which this delivery is one.
  void waiting_beside(std::string_view id, const Wanted& wanted, const Take& take);
  // The ids of what has a lower turn and has not ended.
  std::vector<std::string> before(const Key& key);
  // The first lane after `lane`, in the order of their names, in which anything waits.
  std::optional<std::string> next_lane(const std::string& lane);
  // Which lane it waits in; nullopt if it does not.
  std::optional<std::string> lane_of_waiting(const std::string& id);
  std::uint64_t count_waiting();
  // For a new life: no attempt is under way.
  void reset_in_flight();

  // Somebody else has written since the last call.
  bool changed_by_others();
  // What operators did since the last call.
  std::vector<Change> take_changes();

  // Deletes at most so many that were delivered before; returns how many.
  std::size_t prune(WallTime before, std::size_t most);
  // Gives free pages back to the file system, a few at a time, when they are most of the file.
  void shrink();

 private:
  void prepare_statements();
  bool read(Statement& rows, const Wanted& wanted, const Take& take);

  Database database_;
  std::int64_t data_version_ = 0;
  Statement insert_;
  Statement update_;
  Statement exchange_;
  Statement waiting_;
  Statement beside_;
  Statement before_;
  Statement next_lane_;
  Statement lane_of_;
  Statement prune_;
  Statement version_;
};

}  // namespace hangup::cleanup
