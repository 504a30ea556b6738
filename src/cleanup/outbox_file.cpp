#include "cleanup/bytes.h"
#include "cleanup/delivery_codec.h"
#include "cleanup/schema.h"
#include "cleanup/sqlite.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <hangup/cleanup/outbox_file.h>

namespace hangup::cleanup {
namespace {

// In the order of entry_of().
#define HANGUP_ENTRY_COLUMNS                                                                          \
  "id, request_id, cleanup, receiver, turn, state, attempts, created, next_attempt, expires, ended, " \
  "last_status, "                                                                                     \
  "last_error, dead_reason, delivery"

std::optional<WallTime> time_or_null(const Statement& row, int column) {
  const auto micros = row.integer_or_null(column);
  return micros ? std::optional(from_micros(*micros)) : std::nullopt;
}

OutboxFile::Entry entry_of(const Statement& row) {
  OutboxFile::Entry entry;
  entry.id = row.text(0);
  entry.request_id = row.text(1);
  entry.cleanup = row.text(2);
  entry.receiver = row.text(3);
  entry.turn = static_cast<unsigned>(row.integer(4));
  entry.state = static_cast<DeliveryState>(std::clamp<std::int64_t>(row.integer(5), 0, 3));
  entry.attempts = static_cast<unsigned>(row.integer(6));
  entry.created = from_micros(row.integer(7));
  entry.next_attempt = time_or_null(row, 8);
  entry.expires = time_or_null(row, 9);
  entry.ended = time_or_null(row, 10);
  if (const auto status = row.integer_or_null(11)) entry.last_status = static_cast<int>(*status);
  entry.last_error = row.text(12);
  entry.dead_reason = row.text(13);
  // The column is hangup's own id, which is not the one that people know where a trusted proxy gave one.
  if (auto delivery = decode_delivery(row.text(14)); delivery && !delivery->given_id.empty())
    entry.request_id = std::move(delivery->given_id);
  return entry;
}

}  // namespace

class OutboxFile::Impl {
 public:
  explicit Impl(std::filesystem::path path) : path_(std::move(path)) {}

  Result<void> open();
  Result<std::vector<Entry>> list(const Filter& filter);
  Result<std::optional<Shown>> show(std::string_view id);
  Result<std::size_t> retry(std::span<const std::string> ids, WallTime now);
  Result<std::size_t> retry_all_dead(WallTime now);
  Result<std::size_t> drop(std::span<const std::string> ids);
  Result<Stats> stats(WallTime now);
  Result<std::uint64_t> dead_letters();

 private:
  // What a sequence gave, or why it failed.
  template <typename T>
  Result<T> checked(T value);
  std::size_t revive(std::string_view id, WallTime now);
  void note(std::string_view id, const char* what);

  const std::filesystem::path path_;
  Database database_;
};

template <typename T>
Result<T> OutboxFile::Impl::checked(T value) {
  const auto error = database_.take_error();
  if (!error) return value;
  database_.execute("ROLLBACK");  // if a transaction was under way
  database_.take_error();
  return std::unexpected(Error{fmt::format("outbox: {}: {}", path_.string(), error->message)});
}

Result<void> OutboxFile::Impl::open() {
  std::error_code error;
  if (!std::filesystem::exists(path_, error)) {
    return std::unexpected(Error{
        fmt::format("outbox: there is no {}: `hangup run` makes it, at outbox.path of its configuration",
                    path_.string())});
  }
  database_.open(path_, false);
  database_.execute("PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;");
  if (auto fit = check_schema(database_, path_); !fit) return fit;
  if (auto fine = checked(true); !fine) return std::unexpected(fine.error());
  return {};
}

Result<std::vector<OutboxFile::Entry>> OutboxFile::Impl::list(const Filter& filter) {
  Statement select(database_,
                   "SELECT " HANGUP_ENTRY_COLUMNS
                   " FROM deliveries WHERE (?1 IS NULL OR state = ?1) AND (?2 = '' OR cleanup = ?2) "
                   "ORDER BY seq DESC LIMIT ?3");
  select.bind(filter.state ? std::optional(static_cast<std::int64_t>(*filter.state)) : std::nullopt)
      .bind(std::string_view(filter.cleanup))
      .bind(static_cast<std::int64_t>(filter.limit));
  std::vector<Entry> entries;
  while (select.step()) entries.push_back(entry_of(select));
  return checked(std::move(entries));
}

Result<std::optional<OutboxFile::Shown>> OutboxFile::Impl::show(std::string_view id) {
  Statement select(database_, "SELECT " HANGUP_ENTRY_COLUMNS " FROM deliveries WHERE id = ?");
  std::optional<Shown> shown;
  if (select.bind(id).step()) {
    auto delivery = decode_delivery(select.text(14));
    if (!delivery) {
      return std::unexpected(Error{fmt::format(
          "outbox: what {} holds of {} is damaged: `hangup outbox drop` takes it out", path_.string(), id)});
    }
    shown = Shown{.entry = entry_of(select), .delivery = *std::move(delivery)};
  }
  return checked(std::move(shown));
}

std::size_t OutboxFile::Impl::revive(std::string_view id, WallTime now) {
  Statement revive(
      database_,
      "UPDATE deliveries SET state = 0, attempts = 0, next_attempt = ?1, ended = NULL, "
      "dead_reason = NULL, expires = expires - created + ?1, created = ?1 WHERE id = ?2 AND state = 3");
  revive.bind(to_micros(now)).bind(id).run();
  if (!database_.ok() || database_.changes() == 0) return 0;
  note(id, "revive");
  return 1;
}

void OutboxFile::Impl::note(std::string_view id, const char* what) {
  Statement insert(database_, "INSERT INTO changes (id, what) VALUES (?, ?)");
  insert.bind(id).bind(std::string_view(what)).run();
}

Result<std::size_t> OutboxFile::Impl::retry(std::span<const std::string> ids, WallTime now) {
  std::size_t found = 0;
  database_.execute("BEGIN IMMEDIATE");
  for (const std::string& id : ids) {
    if (revive(id, now) == 1) {
      ++found;
      continue;
    }
    Statement hasten(database_, "UPDATE deliveries SET next_attempt = ?1 WHERE id = ?2 AND state < 2");
    hasten.bind(to_micros(now)).bind(std::string_view(id)).run();
    if (!database_.ok() || database_.changes() == 0) continue;
    note(id, "retry");
    ++found;
  }
  database_.execute("COMMIT");
  return checked(found);
}

// Some at a time, so that a running hangup waits for none of it.
Result<std::size_t> OutboxFile::Impl::retry_all_dead(WallTime now) {
  std::size_t found = 0;
  std::int64_t after = 0;
  for (bool more = true; more;) {
    std::vector<std::string> ids;
    {
      Statement select(database_,
                       "SELECT seq, id FROM deliveries WHERE state = 3 AND seq > ? ORDER BY seq LIMIT 500");
      select.bind(after);
      while (select.step()) {
        after = select.integer(0);
        ids.emplace_back(select.text(1));
      }
    }
    database_.execute("BEGIN IMMEDIATE");
    for (const std::string& id : ids) found += revive(id, now);
    database_.execute("COMMIT");
    more = !ids.empty() && database_.ok();
  }
  return checked(found);
}

Result<std::size_t> OutboxFile::Impl::drop(std::span<const std::string> ids) {
  std::size_t found = 0;
  database_.execute("BEGIN IMMEDIATE");
  for (const std::string& id : ids) {
    Statement select(database_, "SELECT state FROM deliveries WHERE id = ?");
    if (!select.bind(std::string_view(id)).step()) continue;
    const bool waits = select.integer(0) < 2;
    select.reset();
    Statement remove(database_, "DELETE FROM deliveries WHERE id = ?");
    remove.bind(std::string_view(id)).run();
    if (waits) note(id, "drop");
    ++found;
  }
  database_.execute("COMMIT");
  return checked(found);
}

Result<OutboxFile::Stats> OutboxFile::Impl::stats(WallTime now) {
  Stats stats;
  Statement count(database_, "SELECT cleanup, state, count(*) FROM deliveries GROUP BY cleanup, state");
  while (count.step()) {
    const auto state = static_cast<DeliveryState>(std::clamp<std::int64_t>(count.integer(1), 0, 3));
    stats.counts[std::string(count.text(0))][state] = static_cast<std::uint64_t>(count.integer(2));
  }
  Statement oldest(database_, "SELECT min(created) FROM deliveries WHERE state < 2");
  if (oldest.step()) {
    if (const auto created = oldest.integer_or_null(0))
      stats.oldest_pending = std::max<Duration>(now - from_micros(*created), Duration::zero());
  }
  oldest.reset();
  return checked(std::move(stats));
}

Result<std::uint64_t> OutboxFile::Impl::dead_letters() {
  return checked(
      static_cast<std::uint64_t>(database_.number("SELECT count(*) FROM deliveries WHERE state = 3")));
}

OutboxFile::OutboxFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OutboxFile::OutboxFile(OutboxFile&&) noexcept = default;
OutboxFile& OutboxFile::operator=(OutboxFile&&) noexcept = default;
OutboxFile::~OutboxFile() = default;

Result<OutboxFile> OutboxFile::open(const std::filesystem::path& path) {
  auto impl = std::make_unique<Impl>(path);
  if (auto opened = impl->open(); !opened) return std::unexpected(opened.error());
  return OutboxFile(std::move(impl));
}

Result<std::vector<OutboxFile::Entry>> OutboxFile::list(const Filter& filter) {
  return impl_->list(filter);
}
Result<std::optional<OutboxFile::Shown>> OutboxFile::show(std::string_view id) {
  return impl_->show(id);
}
Result<std::size_t> OutboxFile::retry(std::span<const std::string> ids, WallTime now) {
  return impl_->retry(ids, now);
}
Result<std::size_t> OutboxFile::retry_all_dead(WallTime now) {
  return impl_->retry_all_dead(now);
}
Result<std::size_t> OutboxFile::drop(std::span<const std::string> ids) {
  return impl_->drop(ids);
}
Result<OutboxFile::Stats> OutboxFile::stats(WallTime now) {
  return impl_->stats(now);
}
Result<std::uint64_t> OutboxFile::dead_letters() {
  return impl_->dead_letters();
}

}  // namespace hangup::cleanup
