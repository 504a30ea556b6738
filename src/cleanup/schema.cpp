#include "cleanup/schema.h"

#include <fmt/format.h>

#include <array>

namespace hangup::cleanup {
namespace {

// steps[n] leads from version n to n + 1. What was released once is never edited: a change is a new step.
//
// Times are microseconds since the epoch. What waits in the file is loaded by its `lane`, the receiver (once,
// that of its exchange's first delivery). `changes` is how an operator's command tells the running hangup
// what it did.
constexpr std::array steps = {R"(
  CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    request_id TEXT NOT NULL,
    cleanup TEXT NOT NULL,
    receiver TEXT NOT NULL,
    lane TEXT NOT NULL,
    turn INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    created INTEGER NOT NULL,
    next_attempt INTEGER,
    expires INTEGER,
    ended INTEGER,
    last_status INTEGER,
    last_error TEXT,
    dead_reason TEXT,
    delivery BLOB NOT NULL
  ) STRICT;
  CREATE INDEX deliveries_waiting ON deliveries (lane, seq) WHERE state < 2;
  CREATE INDEX deliveries_delivered ON deliveries (ended) WHERE state = 2;
  CREATE INDEX deliveries_dead ON deliveries (seq) WHERE state = 3;
  CREATE TABLE changes (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, what TEXT NOT NULL) STRICT;
)"};
constexpr auto newest = static_cast<std::int64_t>(steps.size());

struct Found {
  std::int64_t version = 0;
  bool empty = false;
  bool ours = false;
};

Found look(Database& database) {
  return {.version = database.number("PRAGMA user_version"),
          .empty = database.number("SELECT count(*) FROM sqlite_schema") == 0,
          .ours = database.number("PRAGMA application_id") == application_id};
}

Result<void> judge(const Found& found, const std::filesystem::path& path) {
  if (!found.ours && !found.empty) {
    return std::unexpected(Error{fmt::format(
        "outbox: {} is a SQLite database, but no outbox: name another file by outbox.path", path.string())});
  }
  if (found.version > newest) {
    return std::unexpected(
        Error{fmt::format("outbox: {} was written by a later version of hangup (schema {}, known here: {}): "
                          "start that version, or "
                          "move the file away, which leaves what is pending in it undelivered",
                          path.string(), found.version, newest)});
  }
  return {};
}

}  // namespace

Result<void> prepare_schema(Database& database, const std::filesystem::path& path) {
  const Found before = look(database);
  if (!database.ok()) return {};
  if (auto fit = judge(before, path); !fit) return fit;
  if (before.version == newest && before.ours) return {};
  database.execute("BEGIN IMMEDIATE");
  const Found found = look(database);  // another process may have been quicker
  database.execute(fmt::format("PRAGMA application_id = {}", application_id).c_str());
  for (std::int64_t version = found.version; version < newest; ++version) {
    database.execute(steps[static_cast<std::size_t>(version)]);
  }
  database.execute(fmt::format("PRAGMA user_version = {}", newest).c_str());
  database.execute("COMMIT");
  return {};
}

Result<void> check_schema(Database& database, const std::filesystem::path& path) {
  const Found found = look(database);
  if (!database.ok()) return {};
  if (auto fit = judge(found, path); !fit) return fit;
  if (found.version != newest || !found.ours) {
    return std::unexpected(Error{fmt::format(
        "outbox: {} is not written by this version of hangup yet: start `hangup run` once", path.string())});
  }
  return {};
}

}  // namespace hangup::cleanup
