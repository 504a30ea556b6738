#include "cleanup/dispatcher.h"

#include "cleanup/verdict.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace hangup::cleanup {
namespace {

constexpr std::size_t few_receivers = 1024;
// After an attempt for which this machine had no descriptor.
constexpr Duration pause_for_want = std::chrono::seconds(1);

// Receivers refuse what was signed or sent too long ago: the time is that of the attempt.
void set_timestamp(Delivery& delivery, WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  for (auto& [name, value] : delivery.headers) {
    if (name == "webhook-timestamp") value = std::to_string(seconds);
  }
}

std::string describe(const AttemptResult& result) {
  return result.status == 0 ? result.error : "status " + std::to_string(result.status);
}

Verdict judge(const AttemptResult& result, const Delivery& delivery) {
  return result.hopeless ? Verdict::final : verdict_of(result.status, delivery.ok_status);
}

Breaker::Sign sign_of(const AttemptResult& result, Verdict verdict) {
  if (result.hopeless || result.ours) return Breaker::Sign::nothing;
  return verdict == Verdict::retry ? Breaker::Sign::failing : Breaker::Sign::alive;
}

// How long ago `created` was; nothing when it lies in the future.
Duration age_of(WallTime created, WallTime now) {
  if (created >= now) return Duration::zero();
  Duration::rep age = 0;
  const bool too_long =
      __builtin_sub_overflow(now.time_since_epoch().count(), created.time_since_epoch().count(), &age);
  return too_long ? Duration::max() : Duration(age);
}

}  // namespace

struct Dispatcher::Receiver {
  std::string name;
  Breaker breaker;
  std::list<Entry*> ready;
  Deadlines<Receiver*>::Place pause;
  std::size_t pending = 0;
  std::size_t under_way = 0;
  bool starved = false;  // in starved_
  bool touched = false;  // in touched_
};

struct Dispatcher::Entry {
  enum class Place : std::uint8_t { none, held, waiting, ready, under_way };

  Delivery delivery;
  Receiver* receiver = nullptr;
  Turns* exchange = nullptr;
  unsigned attempts = 0;
  MonoTime not_before{};
  std::optional<MonoTime> expires;
  bool forgotten = false;  // by the operator, while under way

  Place place = Place::none;
  std::list<Entry*>::iterator queued;  // while held or ready
  Deadlines<Entry*>::Place waiting;
  Deadlines<Entry*>::Place expiry;
  std::list<std::unique_ptr<Entry>>::iterator self;
  std::multimap<std::string_view, Entry*>::iterator by_id;

  MonoTime started{};  // of the attempt that is under way
  WallTime started_wall{};
  Breaker::Ticket ticket = 0;

  bool expired(MonoTime now) const { return expires && *expires <= now; }
};

Dispatcher::Dispatcher(Scheduler& scheduler, Sender& sender, Progress& progress, Limits limits, Random random)
    : scheduler_(scheduler),
      sender_(sender),
      progress_(progress),
      limits_(limits),
      random_(std::move(random)),
      next_sweep_(few_receivers),
      timer_(scheduler.make_timer([this] { wake(); })) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::add(Delivery delivery, unsigned attempts, Duration wait) {
  const auto name = sender_.receiver_of(delivery);
  if (!name) return progress_.dead(delivery, std::nullopt, name.error().message, attempts);
  const MonoTime now = scheduler_.now();
  const Duration age = age_of(delivery.created, scheduler_.wall());
  if (delivery.expire_after && *delivery.expire_after <= age) {
    return progress_.dead(delivery, std::nullopt, reason_expired, attempts);
  }

  entries_.push_back(std::make_unique<Entry>());
  Entry& entry = *entries_.back();
  entry.self = std::prev(entries_.end());
  entry.delivery = std::move(delivery);
  entry.by_id = by_id_.emplace(entry.delivery.id, &entry);
  entry.attempts = attempts;
  entry.not_before = later(now, wait);
  if (attempts == 0 && entry.delivery.delay > age) {
    entry.not_before = std::max(entry.not_before, later(now, entry.delivery.delay - age));
  }
  if (entry.delivery.expire_after) {
    entry.expires = later(now, *entry.delivery.expire_after - age);
    entry.delivery.not_after = entry.expires;
    entry.expiry = expiries_.add(*entry.expires, &entry);
  }
  entry.receiver = &receiver_named(*name);
  ++entry.receiver->pending;
  join(entry);
  queue(entry);
  settle();
}

std::vector<const Delivery*> Dispatcher::pending() const {
  std::vector<const Delivery*> deliveries;
  deliveries.reserve(entries_.size());
  for (const auto& entry : entries_) {
    if (!entry->forgotten) deliveries.push_back(&entry->delivery);
  }
  return deliveries;
}

std::optional<WallTime> Dispatcher::oldest() const {
  const WallTime::rep since_epoch = oldest_.load(std::memory_order_relaxed);
  return since_epoch == none ? std::nullopt : std::optional(WallTime(WallTime::duration(since_epoch)));
}

bool Dispatcher::forget(std::string_view id) {
  bool found = false;
  const auto [first, last] = by_id_.equal_range(id);
  for (auto next = first; next != last;) {
    Entry& entry = *(next++)->second;
    if (entry.forgotten) continue;
    found = true;
    if (entry.place == Entry::Place::under_way) {
      entry.forgotten = true;
    } else {
      leave_place(entry);
      remove(entry);
    }
  }
  settle();
  return found;
}

void Dispatcher::retry_now(std::string_view id) {
  const auto [first, last] = by_id_.equal_range(id);
  for (auto next = first; next != last; ++next) {
    Entry& entry = *next->second;
    if (entry.place == Entry::Place::under_way) continue;
    leave_place(entry);
    entry.not_before = scheduler_.now();
    queue(entry);
    if (entry.place != Entry::Place::ready) continue;
    auto& ready = entry.receiver->ready;
    ready.splice(ready.begin(), ready, entry.queued);
    pauses_.remove(entry.receiver->pause);
    entry.receiver->breaker.end_pause();
  }
  settle();
}

void Dispatcher::join(Entry& entry) {
  entry.exchange = &exchanges_[entry.delivery.request_id];
  ++(*entry.exchange)[entry.delivery.turn].pending;
}

Dispatcher::Receiver& Dispatcher::receiver_named(const std::string& name) {
  if (const auto known = receivers_.find(name); known != receivers_.end()) return *known->second;
  if (receivers_.size() >= next_sweep_) forget_idle_receivers();
  auto receiver = std::make_unique<Receiver>(
      Receiver{.name = name, .breaker = Breaker(limits_.per_receiver), .ready = {}, .pause = {}});
  return *receivers_.emplace(name, std::move(receiver)).first->second;
}

void Dispatcher::forget_idle_receivers() {
  std::erase_if(receivers_, [this](const auto& named) {
    Receiver& receiver = *named.second;
    if (receiver.pending > 0 || receiver.starved || receiver.touched) return false;
    pauses_.remove(receiver.pause);
    return true;
  });
  next_sweep_ = std::max(few_receivers, receivers_.size() * 2);
}

void Dispatcher::queue(Entry& entry) {
  auto& [turn, lowest] = *entry.exchange->begin();
  if (entry.delivery.turn > turn) {
    Turn& its_turn = (*entry.exchange)[entry.delivery.turn];
    entry.place = Entry::Place::held;
    entry.queued = its_turn.held.insert(its_turn.held.end(), &entry);
  } else if (entry.not_before > scheduler_.now()) {
    entry.place = Entry::Place::waiting;
    entry.waiting = waiting_.add(entry.not_before, &entry);
  } else {
    entry.place = Entry::Place::ready;
    entry.queued = entry.receiver->ready.insert(entry.receiver->ready.end(), &entry);
    touch(*entry.receiver);
  }
}

void Dispatcher::leave_place(Entry& entry) {
  switch (std::exchange(entry.place, Entry::Place::none)) {
    case Entry::Place::held:
      (*entry.exchange)[entry.delivery.turn].held.erase(entry.queued);
      break;
    case Entry::Place::waiting:
      waiting_.remove(entry.waiting);
      break;
    case Entry::Place::ready:
      entry.receiver->ready.erase(entry.queued);
      break;
    case Entry::Place::under_way:
    case Entry::Place::none:
      break;
  }
}

void Dispatcher::expire(Entry& entry) {
  leave_place(entry);
  progress_.dead(entry.delivery, std::nullopt, reason_expired, entry.attempts);
  remove(entry);
}

// Forgets a delivery that is in no place, and lets those of its exchange go that waited for it.
void Dispatcher::remove(Entry& entry) {
  expiries_.remove(entry.expiry);
  --entry.receiver->pending;
  const auto own = exchanges_.find(entry.delivery.request_id);
  Turns& turns = own->second;
  const auto turn = turns.find(entry.delivery.turn);
  const bool was_lowest = turn == turns.begin();
  if (--turn->second.pending == 0) {
    turns.erase(turn);
    if (turns.empty()) {
      exchanges_.erase(own);
    } else if (was_lowest) {
      for (Entry* next : std::exchange(turns.begin()->second.held, {})) queue(*next);
    }
  }
  by_id_.erase(entry.by_id);
  entries_.erase(entry.self);
}

bool Dispatcher::may_start(const Receiver& receiver) const {
  // Attempts that a breaker has let go before it opened may hang on: with them there are not too many either.
  return !receiver.starved && !receiver.ready.empty() && receiver.under_way < 2 * limits_.per_receiver &&
         receiver.breaker.admits();
}

void Dispatcher::touch(Receiver& receiver) {
  if (std::exchange(receiver.touched, true)) return;
  touched_.push_back(&receiver);
}

void Dispatcher::settle() {
  feed_starved();
  while (!touched_.empty()) {
    Receiver& receiver = *touched_.front();
    touched_.pop_front();
    receiver.touched = false;
    pump(receiver);
  }
  oldest_.store(entries_.empty() ? none : entries_.front()->delivery.created.time_since_epoch().count(),
                std::memory_order_relaxed);
  std::optional<MonoTime> first;
  for (const auto& next : {waiting_.next(), expiries_.next(), pauses_.next()}) {
    if (next && (!first || *next < *first)) first = next;
  }
  if (first) {
    timer_->set(*first);
  } else {
    timer_->cancel();
  }
}

// Starts what its bound lets start, or puts it at the end of the line for the total bound.
void Dispatcher::pump(Receiver& receiver) {
  while (may_start(receiver)) {
    if (under_way_ < limits_.total && starved_.empty()) {
      start_next(receiver);
    } else {
      receiver.starved = true;
      starved_.push_back(&receiver);
    }
  }
}

void Dispatcher::feed_starved() {
  while (!starved_.empty() && under_way_ < limits_.total) {
    Receiver& receiver = *starved_.front();
    starved_.pop_front();
    receiver.starved = false;
    if (may_start(receiver)) start_next(receiver);
    if (may_start(receiver)) {
      receiver.starved = true;
      starved_.push_back(&receiver);
    }
  }
}

// The first that is ready: starts it, or buries it.
void Dispatcher::start_next(Receiver& receiver) {
  Entry& entry = *receiver.ready.front();
  const MonoTime now = scheduler_.now();
  if (entry.expired(now)) return expire(entry);
  leave_place(entry);
  if (entry.delivery.turn > entry.exchange->begin()->first) return queue(entry);  // one before it came late
  entry.place = Entry::Place::under_way;
  ++under_way_;
  ++receiver.under_way;
  entry.ticket = receiver.breaker.start();
  ++entry.attempts;
  entry.started = now;
  entry.started_wall = scheduler_.wall();
  set_timestamp(entry.delivery, entry.started_wall);
  progress_.started(entry.delivery, entry.attempts);
  sender_.send(entry.delivery, [this, &entry](AttemptResult result) { ended(entry, std::move(result)); });
}

void Dispatcher::ended(Entry& entry, AttemptResult result) {
  Receiver& receiver = *entry.receiver;
  --under_way_;
  --receiver.under_way;
  entry.place = Entry::Place::none;
  const auto sign = sign_of(result, judge(result, entry.delivery));
  if (const auto until = receiver.breaker.end(entry.ticket, sign, scheduler_.now(), random_)) {
    pauses_.remove(receiver.pause);
    receiver.pause = pauses_.add(*until, &receiver);
  }
  touch(receiver);
  conclude(entry, std::move(result));
  settle();
}

void Dispatcher::conclude(Entry& entry, AttemptResult result) {
  const AttemptRecord attempt{.start = entry.started_wall,
                              .number = entry.attempts,
                              .duration = scheduler_.now() - entry.started,
                              .result = std::move(result)};
  const auto die = [&](std::string_view reason) {
    progress_.dead(entry.delivery, attempt, reason, attempt.number);
    remove(entry);
  };
  switch (judge(attempt.result, entry.delivery)) {
    case Verdict::done:
      progress_.delivered(entry.delivery, attempt);
      return remove(entry);
    case Verdict::final:
      return die(describe(attempt.result) + (attempt.result.hopeless ? "" : " is final"));
    case Verdict::retry:
      break;
  }
  if (entry.forgotten) return die("dropped by an operator");
  if (attempt.result.ours) --entry.attempts;
  if (entry.attempts >= entry.delivery.retry.max_attempts)
    return die("given up: " + describe(attempt.result));
  if (entry.expired(scheduler_.now())) return die(reason_expired);
  retry_later(entry, attempt);
}

void Dispatcher::retry_later(Entry& entry, const AttemptRecord& attempt) {
  const Duration wait = attempt.result.ours ? pause_for_want
                                            : backoff(entry.delivery.retry, entry.attempts,
                                                      attempt.result.retry_after, random_);
  progress_.will_retry(entry.delivery, attempt, wait);
  entry.not_before = later(scheduler_.now(), wait);
  queue(entry);
}

void Dispatcher::wake() {
  const MonoTime now = scheduler_.now();
  while (const auto due = expiries_.take_due(now)) {
    Entry& entry = **due;
    entry.expiry.reset();
    // The end of an attempt that is under way decides first.
    if (entry.place != Entry::Place::under_way) expire(entry);
  }
  while (const auto due = waiting_.take_due(now)) {
    Entry& entry = **due;
    entry.waiting.reset();
    queue(entry);
  }
  while (const auto due = pauses_.take_due(now)) {
    Receiver& receiver = **due;
    receiver.pause.reset();
    receiver.breaker.pause_over(now);
    touch(receiver);
  }
  settle();
}

}  // namespace hangup::cleanup
