#include "cleanup/delivery_table.h"

#include "cleanup/bytes.h"
#include "cleanup/delivery_codec.h"
#include "cleanup/schema.h"
#include "cleanup/url.h"

#include <fcntl.h>

#include <algorithm>

#include <hangup/net/fd.h>

namespace hangup::cleanup {
namespace {

std::optional<std::int64_t> micros_or_null(const std::optional<WallTime>& time) {
  return time ? std::optional(to_micros(*time)) : std::nullopt;
}

std::optional<WallTime> expiry(const Delivery& delivery) {
  if (!delivery.expire_after) return std::nullopt;
  // A long time is as good as for ever, and must not overflow.
  const auto most = WallTime::max() - delivery.created;
  return delivery.created +
         std::chrono::duration_cast<WallTime::duration>(std::min(*delivery.expire_after, most));
}

Statement& bind_text_or_null(Statement& statement, const std::string& text) {
  return text.empty() ? statement.bind_null() : statement.bind(std::string_view(text));
}

}  // namespace

std::string receiver_of(const Delivery& delivery) {
  if (!delivery.socket.empty()) return "unix:" + delivery.socket;
  const auto url = parse_url(delivery.url);
  return url ? (url->https ? "https://" : "http://") + url->authority : "?";
}

Result<void> DeliveryTable::open(const std::filesystem::path& path) {
  close();
  // Deliveries may hold credentials, in headers. The WAL takes its mode from this file. It is closed again
  // before SQLite has it: closing any descriptor of a file gives up all POSIX locks that the process has on
  // it.
  net::Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)).reset();
  database_.open(path, true);
  // The first one counts for a new file only. A commit is on the disk when it returns, also with a WAL; what
  // a damaged page holds is not believed.
  database_.execute(
      "PRAGMA auto_vacuum = INCREMENTAL;"
      "PRAGMA busy_timeout = 500;"
      "PRAGMA journal_mode = WAL;"
      "PRAGMA synchronous = FULL;"
      "PRAGMA journal_size_limit = 67108864;"
      "PRAGMA trusted_schema = OFF;"
      "PRAGMA cell_size_check = ON;");
  auto prepared = prepare_schema(database_, path);
  if (prepared && ok()) prepare_statements();
  data_version_ = 0;
  return prepared;
}

void DeliveryTable::close() {
  for (Statement* statement : {&insert_, &update_, &exchange_, &waiting_, &beside_, &before_, &next_lane_,
                               &lane_of_, &prune_, &version_}) {
    *statement = Statement();
  }
  database_.close();
}

void DeliveryTable::prepare_statements() {
  insert_ =
      Statement(database_,
                "INSERT INTO deliveries (id, request_id, cleanup, receiver, lane, turn, state, attempts, "
                "created, next_attempt, expires, ended, last_status, last_error, dead_reason, delivery) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING");
  update_ = Statement(database_,
                      "UPDATE deliveries SET state = ?1, attempts = ?2, next_attempt = ?3, ended = ?4, "
                      "last_status = coalesce(?5, last_status), "
                      "last_error = CASE WHEN ?5 IS NULL THEN last_error ELSE ?6 END, dead_reason = ?7 "
                      "WHERE id = ?8");
  // Webhook-ids begin with the request id and a hyphen, which '.' follows in ASCII.
  exchange_ =
      Statement(database_,
                "SELECT 1 FROM deliveries WHERE id >= ?1 || '-' AND id < ?1 || '.' AND request_id = ?1 "
                "LIMIT 1");
  waiting_ = Statement(database_,
                       "SELECT id, request_id, lane, turn, attempts, next_attempt, created, delivery "
                       "FROM deliveries WHERE state < 2 AND lane = ? ORDER BY seq");
  beside_ = Statement(database_,
                      "SELECT id, request_id, lane, turn, attempts, next_attempt, created, delivery "
                      "FROM (SELECT request_id AS its FROM deliveries WHERE id = ?) CROSS JOIN deliveries "
                      "WHERE id >= its || '-' AND id < its || '.' AND request_id = its AND state < 2 "
                      "ORDER BY turn");
  before_ =
      Statement(database_,
                "SELECT id FROM deliveries WHERE id >= ?1 || '-' AND id < ?1 || '.' AND request_id = ?1 "
                "AND turn < ?2 AND state < 2");
  next_lane_ =
      Statement(database_, "SELECT lane FROM deliveries WHERE state < 2 AND lane > ? ORDER BY lane LIMIT 1");
  lane_of_ = Statement(database_, "SELECT lane FROM deliveries WHERE id = ? AND state < 2");
  prune_ = Statement(database_,
                     "DELETE FROM deliveries WHERE seq IN "
                     "(SELECT seq FROM deliveries WHERE state = 2 AND ended < ? LIMIT ?)");
  version_ = Statement(database_, "PRAGMA data_version");
}

bool DeliveryTable::has_moved() {
  return database_.has_moved();
}

bool DeliveryTable::insert(const Delivery& delivery, const Standing& standing) {
  const std::string receiver = receiver_of(delivery);
  const std::string bytes = encode(delivery);
  insert_.bind(std::string_view(delivery.id))
      .bind(std::string_view(delivery.request_id))
      .bind(std::string_view(delivery.cleanup))
      .bind(std::string_view(receiver))
      .bind(std::string_view(receiver))
      .bind(static_cast<std::int64_t>(delivery.turn))
      .bind(static_cast<std::int64_t>(standing.state))
      .bind(static_cast<std::int64_t>(standing.attempts))
      .bind(to_micros(delivery.created))
      .bind(micros_or_null(standing.next_attempt))
      .bind(micros_or_null(expiry(delivery)))
      .bind(micros_or_null(standing.ended))
      .bind(standing.status ? std::optional<std::int64_t>(*standing.status) : std::nullopt);
  bind_text_or_null(insert_, standing.error);
  bind_text_or_null(insert_, standing.reason);
  insert_.bind_blob(bytes).run();
  return ok() && database_.changes() == 1;
}

void DeliveryTable::update(std::string_view id, const Standing& standing) {
  update_.bind(static_cast<std::int64_t>(standing.state))
      .bind(static_cast<std::int64_t>(standing.attempts))
      .bind(micros_or_null(standing.next_attempt))
      .bind(micros_or_null(standing.ended))
      .bind(standing.status ? std::optional<std::int64_t>(*standing.status) : std::nullopt);
  bind_text_or_null(update_, standing.error);
  bind_text_or_null(update_, standing.reason);
  update_.bind(id).run();
}

bool DeliveryTable::knows_exchange(const std::string& request_id) {
  const bool known = exchange_.bind(std::string_view(request_id)).step();
  exchange_.reset();
  return known;
}

bool DeliveryTable::waiting(const std::string& lane, const Wanted& wanted, const Take& take) {
  waiting_.bind(std::string_view(lane));
  return read(waiting_, wanted, take);
}

void DeliveryTable::waiting_beside(std::string_view id, const Wanted& wanted, const Take& take) {
  beside_.bind(id);
  read(beside_, wanted, take);
}

bool DeliveryTable::read(Statement& rows, const Wanted& wanted, const Take& take) {
  while (rows.step()) {
    const auto answer = wanted({.id = rows.text(0),
                                .request_id = rows.text(1),
                                .lane = rows.text(2),
                                .turn = static_cast<unsigned>(rows.integer(3))});
    if (!answer) {
      rows.reset();
      return false;
    }
    if (!*answer) continue;
    Row row{.id = std::string(rows.text(0)),
            .request_id = std::string(rows.text(1)),
            .lane = std::string(rows.text(2)),
            .attempts = static_cast<unsigned>(rows.integer(4)),
            .next_attempt = std::nullopt,
            .created = from_micros(rows.integer(6)),
            .delivery = decode_delivery(rows.text(7))};
    if (const auto next = rows.integer_or_null(5)) row.next_attempt = from_micros(*next);
    take(std::move(row));
  }
  return ok();
}

std::vector<std::string> DeliveryTable::before(const Key& key) {
  std::vector<std::string> ids;
  before_.bind(key.request_id).bind(static_cast<std::int64_t>(key.turn));
  while (before_.step()) ids.emplace_back(before_.text(0));
  return ids;
}

std::optional<std::string> DeliveryTable::next_lane(const std::string& lane) {
  std::optional<std::string> next;
  if (next_lane_.bind(std::string_view(lane)).step()) next = next_lane_.text(0);
  next_lane_.reset();
  return next;
}

std::optional<std::string> DeliveryTable::lane_of_waiting(const std::string& id) {
  std::optional<std::string> lane;
  if (lane_of_.bind(std::string_view(id)).step()) lane = lane_of_.text(0);
  lane_of_.reset();
  return lane;
}

std::uint64_t DeliveryTable::count_waiting() {
  return static_cast<std::uint64_t>(database_.number("SELECT count(*) FROM deliveries WHERE state < 2"));
}

void DeliveryTable::reset_in_flight() {
  database_.execute("UPDATE deliveries SET state = 0 WHERE state = 1");
}

bool DeliveryTable::changed_by_others() {
  if (!version_.step()) return false;
  const std::int64_t latest = version_.integer(0);
  version_.reset();
  return std::exchange(data_version_, latest) != latest;
}

std::vector<DeliveryTable::Change> DeliveryTable::take_changes() {
  std::vector<Change> changes;
  Statement select(database_, "SELECT id, what FROM changes ORDER BY seq");
  while (select.step()) changes.push_back({std::string(select.text(0)), std::string(select.text(1))});
  if (!changes.empty()) database_.execute("DELETE FROM changes");
  return changes;
}

std::size_t DeliveryTable::prune(WallTime before, std::size_t most) {
  prune_.bind(to_micros(before)).bind(static_cast<std::int64_t>(most)).run();
  return ok() ? static_cast<std::size_t>(database_.changes()) : 0;
}

void DeliveryTable::shrink() {
  constexpr std::int64_t worth_it = 4096;  // pages of 4 KiB
  const std::int64_t spare = database_.number("PRAGMA freelist_count");
  if (spare > worth_it && spare > database_.number("PRAGMA page_count") / 2)
    database_.execute("PRAGMA incremental_vacuum(512)");
}

}  // namespace hangup::cleanup
