#include "cleanup/durable_store.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace hangup::cleanup {
namespace {

using namespace std::chrono_literals;

constexpr auto retry_after = 1s;
constexpr auto poll_after = 500ms;  // how soon an operator's change is seen
constexpr auto prune_after = 1s;
constexpr auto set_aside_after = 60s;     // a bad disk is not to be filled with files that were set aside
constexpr std::size_t prune_rows = 1000;  // at once: new deliveries wait meanwhile
constexpr std::size_t unsaved_rows = 1000;
constexpr std::size_t lanes_at_once = 10'000;

// As much as it takes in memory, roughly.
std::size_t size_of(const Delivery& delivery) {
  std::size_t bytes = 512 + delivery.url.size() + delivery.body.size();
  for (const auto& [name, value] : delivery.headers) bytes += 64 + name.size() + value.size();
  return bytes;
}

void take_over(Standing& standing, const Standing& latest) {
  const auto status = latest.status ? latest.status : standing.status;
  std::string error = latest.status ? latest.error : std::move(standing.error);
  standing = latest;
  standing.status = status;
  standing.error = std::move(error);
}

Standing fresh(const Delivery& delivery) {
  Standing standing;
  standing.next_attempt = delivery.created + std::chrono::duration_cast<WallTime::duration>(delivery.delay);
  return standing;
}

// The clock may have been set back since: a delivery never waits longer than it could have been told to.
Duration wait_of(const DeliveryTable::Row& row, WallTime now) {
  if (!row.next_attempt || *row.next_attempt <= now) return Duration::zero();
  const Duration most =
      row.attempts == 0 ? row.delivery->delay : std::max<Duration>(row.delivery->retry.backoff_max, 1h);
  return std::min<Duration>(*row.next_attempt - now, most);
}

}  // namespace

DurableStore::DurableStore(Options options, const Clock& clock, std::shared_ptr<spdlog::logger> log)
    : options_(std::move(options)), clock_(clock), log_(std::move(log)), window_(options_.window) {}

// ---- Opening

Result<void> DurableStore::open(Output& output) {
  auto opened = try_open(output);
  if (opened && !table_.is_open() && trouble_.empty()) opened = try_open(output);  // one was set aside
  return opened;
}

Result<void> DurableStore::try_open(Output& output) {
  retry_at_ = clock_.now() + retry_after;
  std::error_code ignored;  // the lock file's message says what is wrong
  std::filesystem::create_directory(options_.path.parent_path(), ignored);
  if (!lock_) {
    auto lock = LockFile::acquire(options_.path.string() + ".lock");
    if (!lock && lock.error().held) {
      return std::unexpected(Error{fmt::format(
          "outbox: {}: stop that one, or name another file by outbox.path", lock.error().message)});
    }
    if (!lock) {
      enter_trouble(lock.error().message);
      return {};
    }
    lock_ = *std::move(lock);
  }
  if (auto fit = table_.open(options_.path); !fit) {
    table_.take_error();
    table_.close();
    return fit;
  }
  if (table_.ok() && !looked_) first_look(output);
  if (!table_.ok()) fail(output);
  return {};
}

void DurableStore::first_look(Output& output) {
  table_.begin();
  table_.take_changes();  // what they led to stands in the file
  table_.reset_in_flight();
  table_.commit();
  const std::uint64_t waiting = table_.count_waiting();
  look_on_ = "";
  look_for_lanes();
  if (!table_.ok()) return;
  looked_ = true;
  waiting_in_file_ = waiting;
  output.found += waiting;
}

void DurableStore::look_for_lanes() {
  for (std::size_t i = 0; i < lanes_at_once && look_on_; ++i) {
    look_on_ = table_.next_lane(*look_on_);
    if (look_on_) window_.set_backlog(*look_on_, true);
  }
}

bool DurableStore::knows_exchange(const std::string& request_id) {
  return table_.is_open() && table_.knows_exchange(request_id);
}

// ---- A turn

DurableStore::Output DurableStore::turn(Input input) {
  Output output;
  give_sign();
  absorb(input);
  if (!table_.is_open() && clock_.now() >= retry_at_) {
    if (const auto opened = try_open(output); !opened) enter_trouble(opened.error().message);
  }
  bool committed = false;
  if (table_.is_open()) {
    const std::size_t unsaved = unsaved_.size();
    committed = write(input.exchanges, output);
    if (committed) {
      leave_trouble(unsaved);
      dispatch(std::move(input.exchanges), output);
      look_after(output);
    }
    if (!table_.ok()) fail(output);
  }
  if (!committed) keep_in_memory(std::move(input.exchanges), output);
  return output;
}

MonoTime DurableStore::next_turn() const {
  if (!table_.is_open()) return retry_at_;
  if (!all_written()) return clock_.now();
  return std::min(poll_at_, prune_at_);
}

// Also in trouble: a crash then is none of the time at which it began.
void DurableStore::give_sign() {
  if (!lock_ || clock_.now() < sign_at_) return;
  sign_at_ = clock_.now() + poll_after;
  lock_->give_sign(clock_.wall());
}

void DurableStore::absorb(Input& input) {
  for (const Update& update : input.updates) note(update);
  for (const Delivery& delivery : input.rescued) {
    if (!window_.holds(delivery.id)) continue;  // has ended meanwhile
    Standing standing;
    if (const auto update = updates_.find(delivery.id); update != updates_.end()) standing = update->second;
    if (!remember(delivery, standing))
      log_->error("outbox: no room to keep webhook_id={} over a restart", delivery.id);
  }
}

void DurableStore::note(const Update& update) {
  if (update.standing.has_ended()) window_.release(update.id);
  if (const auto entry = unsaved_.find(update.id); entry != unsaved_.end()) {
    if (update.standing.state != DeliveryState::delivered)
      return take_over(entry->second.standing, update.standing);
    unsaved_bytes_ -= entry->second.bytes;
    unsaved_.erase(entry);
  }
  const auto known = updates_.find(update.id);
  if (known != updates_.end()) return take_over(known->second, update.standing);
  // Only after long trouble: those beyond it are delivered once more after a restart.
  if (updates_.size() < 2 * options_.memory_deliveries) updates_.emplace(update.id, update.standing);
}

bool DurableStore::remember(const Delivery& delivery, const Standing& standing) {
  const std::size_t bytes = size_of(delivery);
  if (unsaved_.size() >= options_.memory_deliveries || unsaved_bytes_ + bytes > options_.memory_bytes)
    return false;
  if (unsaved_.try_emplace(delivery.id, Unsaved{delivery, standing, bytes}).second) unsaved_bytes_ += bytes;
  return true;
}

void DurableStore::keep_in_memory(Exchanges exchanges, Output& output) {
  for (std::vector<Delivery>& exchange : exchanges) {
    for (Delivery& delivery : exchange) {
      if (unsaved_.contains(delivery.id) || window_.holds(delivery.id)) {
        ++output.gone;  // it is on its way already
      } else if (!remember(delivery, fresh(delivery))) {
        output.given_up.push_back(std::move(delivery));
      } else {
        send_new(std::move(delivery), output);
      }
    }
  }
}

void DurableStore::send_new(Delivery delivery, Output& output) {
  window_.hold(delivery.id, receiver_of(delivery), size_of(delivery));
  const Duration wait = delivery.delay;
  output.send.push_back({.delivery = std::move(delivery), .attempts = 0, .wait = wait});
}

// ---- Writing

// One transaction; true when it is committed.
bool DurableStore::write(const Exchanges& exchanges, Output& output) {
  bool others = false;
  if (clock_.now() >= poll_at_) {
    poll_at_ = clock_.now() + poll_after;
    others = table_.changed_by_others();
  }
  if (exchanges.empty() && unsaved_.empty() && updates_.empty() && !others) return table_.ok();
  table_.begin();
  // What others did before this transaction is to be seen before it: a row that they dropped has not ended.
  others = table_.changed_by_others() || others;
  const std::vector<std::string> saved = insert_unsaved();
  duplicates_.clear();
  for (const std::vector<Delivery>& exchange : exchanges) {
    for (const Delivery& delivery : exchange) {
      if (!table_.insert(delivery, fresh(delivery))) duplicates_.insert(delivery.id);
    }
  }
  for (const auto& [id, standing] : updates_) {
    if (!unsaved_.contains(id)) table_.update(id, standing);
  }
  std::vector<DeliveryTable::Change> changes;
  if (others) changes = table_.take_changes();
  table_.commit();
  if (!table_.ok()) return false;
  carry_out(changes, output);
  const auto updates = std::exchange(updates_, {});
  for (const auto& [id, standing] : updates) {
    if (standing.has_ended() && waiting_in_file_ > 0) load_next_turn(id, output);
  }
  for (const std::string& id : saved) {
    const auto entry = unsaved_.find(id);
    unsaved_bytes_ -= entry->second.bytes;
    unsaved_.erase(entry);
  }
  return true;
}

// A part of it, so that a disk that is still full fails soon. Returns which.
std::vector<std::string> DurableStore::insert_unsaved() {
  std::vector<std::string> saved;
  for (const auto& [id, entry] : unsaved_) {
    if (saved.size() == unsaved_rows || !table_.ok()) break;
    // An earlier transaction that failed may have been carried out nevertheless.
    if (!table_.insert(entry.delivery, entry.standing)) table_.update(id, entry.standing);
    saved.push_back(id);
  }
  return saved;
}

void DurableStore::carry_out(const std::vector<DeliveryTable::Change>& changes, Output& output) {
  for (const DeliveryTable::Change& change : changes) {
    const bool held = window_.holds(change.id);
    const auto update = updates_.find(change.id);
    const bool ended = update != updates_.end() && update->second.has_ended();
    if (change.what == "revive") {
      ++output.found;
      ++waiting_in_file_;
      if (const auto lane = table_.lane_of_waiting(change.id)) window_.set_backlog(*lane, true);
    } else if (change.what == "retry" && held) {
      output.retry_now.push_back(change.id);
    } else if (change.what == "drop" && !ended) {
      if (held) {
        window_.release(change.id);
        output.forget.push_back(change.id);
      } else {
        ++output.gone;
        if (waiting_in_file_ > 0) --waiting_in_file_;
      }
      look_on_ = "";  // others may wait in the file for its end
    }
  }
}

void DurableStore::dispatch(Exchanges exchanges, Output& output) {
  for (std::vector<Delivery>& exchange : exchanges) {
    output.gone +=
        std::erase_if(exchange, [&](const Delivery& delivery) { return duplicates_.contains(delivery.id); });
    std::ranges::sort(exchange, {}, &Delivery::turn);
    unsigned last_turn = ~0U;  // that may begin: those after it wait for what stays in the file
    for (Delivery& delivery : exchange) {
      const std::string lane = receiver_of(delivery);
      const bool full = window_.has_backlog(lane) || !window_.has_room(lane);
      if (delivery.turn <= last_turn && !full) {
        send_new(std::move(delivery), output);
        continue;
      }
      if (full) window_.set_backlog(lane, true);
      last_turn = std::min(last_turn, delivery.turn);
      ++waiting_in_file_;
    }
  }
}

// ---- Loading and pruning

void DurableStore::look_after(Output& output) {
  const auto hungry = window_.hungry();
  for (const std::string& lane : hungry) fill(lane, output);
  if (look_on_ && hungry.empty()) look_for_lanes();
  if (clock_.now() >= prune_at_) prune();
  if (table_.ok() && table_.has_moved()) {
    log_->error("outbox: {} was removed or replaced while in use: a new one is begun",
                options_.path.string());
    table_.close();
    lose_file(output);
  }
}

void DurableStore::fill(const std::string& lane, Output& output) {
  const auto wanted = [&](const DeliveryTable::Key& key) -> std::optional<bool> {
    if (!window_.has_room(lane)) return std::nullopt;
    return may_load(key);
  };
  const bool all =
      table_.waiting(lane, wanted, [&](DeliveryTable::Row row) { load(std::move(row), output); });
  if (all) window_.set_backlog(lane, false);
}

// Of the exchange of one that has ended, what has waited for that.
void DurableStore::load_next_turn(const std::string& ended, Output& output) {
  const auto wanted = [&](const DeliveryTable::Key& key) -> std::optional<bool> {
    if (!may_load(key)) return false;
    const std::string lane(key.lane);
    if (window_.has_room(lane)) return true;
    window_.set_backlog(lane, true);
    return false;
  };
  table_.waiting_beside(ended, wanted, [&](DeliveryTable::Row row) { load(std::move(row), output); });
}

// It is not in memory, and neither is anything in the file alone that has to end before it.
bool DurableStore::may_load(const DeliveryTable::Key& key) {
  if (window_.holds(key.id) || updates_.contains(std::string(key.id))) return false;
  return key.turn == 0 ||
         std::ranges::all_of(table_.before(key), [&](const std::string& id) { return window_.holds(id); });
}

void DurableStore::load(DeliveryTable::Row row, Output& output) {
  if (waiting_in_file_ > 0) --waiting_in_file_;
  if (!row.delivery || row.delivery->id != row.id) {
    Standing standing{.state = DeliveryState::dead, .attempts = row.attempts};
    standing.ended = clock_.wall();
    standing.reason = "what the outbox holds of it is damaged";
    updates_[row.id] = standing;
    Delivery known;
    known.id = std::move(row.id);
    known.request_id = std::move(row.request_id);
    return output.unreadable.push_back(std::move(known));
  }
  const Duration wait = wait_of(row, clock_.wall());
  row.delivery->created = row.created;
  if (wait == Duration::zero()) row.delivery->delay = wait;  // an operator has ended it
  window_.hold(row.id, row.lane, size_of(*row.delivery));
  output.send.push_back({.delivery = *std::move(row.delivery), .attempts = row.attempts, .wait = wait});
}

void DurableStore::prune() {
  prune_at_ = clock_.now() + prune_after;
  if (options_.keep_delivered) {
    const auto kept = std::chrono::duration_cast<WallTime::duration>(*options_.keep_delivered);
    if (table_.prune(clock_.wall() - kept, prune_rows) == prune_rows) prune_at_ = clock_.now();
  }
  table_.shrink();
}

// ---- When the file fails

void DurableStore::fail(Output& output) {
  const auto error = table_.take_error();
  table_.close();
  retry_at_ = clock_.now() + retry_after;
  const bool may_set_aside = !set_aside_at_ || clock_.now() - *set_aside_at_ >= set_aside_after;
  if (error->is_corruption() && may_set_aside) return set_aside(error->message, output);
  enter_trouble(fmt::format("{}: {}", options_.path.string(), error->message));
}

void DurableStore::set_aside(const std::string& why, Output& output) {
  const std::string path = options_.path.string();
  std::string target = fmt::format("{}.corrupt-{:%Y%m%dT%H%M%SZ}", path,
                                   fmt::gmtime(std::chrono::system_clock::to_time_t(clock_.wall())));
  std::error_code error;
  while (std::filesystem::exists(target, error)) target += '+';
  std::filesystem::rename(path, target, error);
  if (error) return enter_trouble(fmt::format("{}: {}; it can't be renamed: {}", path, why, error.message()));
  for (const char* companion : {"-wal", "-shm"}) {
    std::filesystem::rename(path + companion, target + companion, error);  // if there is one
  }
  log_->error("outbox: {} is damaged ({}): set aside as {}, a new one is begun; {} cleanups were only in it",
              path, why, target, waiting_in_file_);
  set_aside_at_ = clock_.now();
  lose_file(output);
}

// Begins anew with what is in memory.
void DurableStore::lose_file(Output& output) {
  output.gone += std::exchange(waiting_in_file_, 0);
  output.rescue = true;
  looked_ = false;
  look_on_.reset();
  retry_at_ = clock_.now();
}

void DurableStore::enter_trouble(std::string what) {
  if (trouble_.empty()) {
    log_->error(
        "outbox: {}: cleanups are kept in memory, up to {} of them, and sent from there until it works "
        "again",
        what, options_.memory_deliveries);
  }
  trouble_ = std::move(what);
}

void DurableStore::leave_trouble(std::size_t waited) {
  if (trouble_.empty()) return;
  log_->warn("outbox: {} works again; {} cleanups that waited are written to it now", options_.path.string(),
             waited);
  trouble_.clear();
}

}  // namespace hangup::cleanup
