#include "cleanup/dispatcher.h"

#include "cleanup/url.h"
#include "cleanup/verdict.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace hangup::cleanup {
namespace {

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

}  // namespace

Dispatcher::Dispatcher(Scheduler& scheduler, Sender& sender, Progress& progress, Limits limits, Random random)
    : scheduler_(scheduler),
      sender_(sender),
      progress_(progress),
      limits_(limits),
      random_(std::move(random)),
      timer_(scheduler.make_timer([this] { wake(); })) {}

void Dispatcher::add(Delivery delivery, unsigned attempts, Duration wait) {
  const auto url = parse_url(delivery.url);
  if (!url) return progress_.dead(delivery, std::nullopt, url.error().message);
  const std::string name = url->receiver();
  Receiver& receiver = receivers_.try_emplace(name).first->second;
  receiver.name = name;
  ++receiver.entries;
  entries_.push_back({.delivery = std::move(delivery), .receiver = &receiver, .attempts = attempts});
  if (wait > Duration::zero()) return try_later(std::prev(entries_.end()), wait);
  receiver.ready.push_back(std::prev(entries_.end()));
  pump(receiver);
}

std::vector<const Delivery*> Dispatcher::pending() const {
  std::vector<const Delivery*> deliveries;
  deliveries.reserve(entries_.size());
  for (const Entry& entry : entries_) deliveries.push_back(&entry.delivery);
  return deliveries;
}

bool Dispatcher::forget(std::string_view id) {
  const auto is_it = [id](const Handle& entry) { return entry->delivery.id == id; };
  for (auto next = waiting_.begin(); next != waiting_.end(); ++next) {
    if (!is_it(next->second)) continue;
    const Handle entry = next->second;
    waiting_.erase(next);
    remove(entry);
    return true;
  }
  for (auto& [name, receiver] : receivers_) {
    const auto next = std::ranges::find_if(receiver.ready, is_it);
    if (next == receiver.ready.end()) continue;
    const Handle entry = *next;
    receiver.ready.erase(next);
    remove(entry);
    return true;
  }
  return false;
}

void Dispatcher::retry_now(std::string_view id) {
  const auto next =
      std::ranges::find_if(waiting_, [id](const auto& each) { return each.second->delivery.id == id; });
  if (next == waiting_.end()) return;
  const Handle entry = next->second;
  waiting_.erase(next);
  entry->receiver->ready.push_back(entry);
  pump(*entry->receiver);
}

bool Dispatcher::may_start(const Receiver& receiver) const {
  return !receiver.starved && !receiver.ready.empty() && receiver.under_way < limits_.per_receiver;
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
    start_next(receiver);
    if (may_start(receiver)) {
      receiver.starved = true;
      starved_.push_back(&receiver);
    }
  }
}

void Dispatcher::start_next(Receiver& receiver) {
  const Handle entry = receiver.ready.front();
  receiver.ready.pop_front();
  ++under_way_;
  ++receiver.under_way;
  ++entry->attempts;
  entry->started = scheduler_.now();
  entry->started_wall = scheduler_.wall();
  set_timestamp(entry->delivery, entry->started_wall);
  progress_.started(entry->delivery, entry->attempts);
  sender_.send(entry->delivery, [this, entry](AttemptResult result) { ended(entry, std::move(result)); });
}

void Dispatcher::ended(Handle entry, AttemptResult result) {
  Receiver& receiver = *entry->receiver;
  --under_way_;
  --receiver.under_way;
  const AttemptRecord attempt{.start = entry->started_wall,
                              .number = entry->attempts,
                              .duration = scheduler_.now() - entry->started,
                              .result = std::move(result)};
  switch (verdict_of(attempt.result.status)) {
    case Verdict::done:
      progress_.delivered(entry->delivery, attempt);
      remove(entry);
      break;
    case Verdict::final:
      progress_.dead(entry->delivery, attempt, describe(attempt.result) + " is final");
      remove(entry);
      break;
    case Verdict::retry:
      retry_later(entry, attempt);
      break;
  }
  feed_starved();
}

void Dispatcher::retry_later(Handle entry, const AttemptRecord& attempt) {
  const config::Retry& retry = entry->delivery.retry;
  if (entry->attempts >= retry.max_attempts) {
    progress_.dead(entry->delivery, attempt, "given up: " + describe(attempt.result));
    return remove(entry);
  }
  const Duration wait = backoff(retry, entry->attempts, attempt.result.retry_after, random_);
  progress_.will_retry(entry->delivery, attempt, wait);
  try_later(entry, wait);
  pump(*entry->receiver);
}

void Dispatcher::try_later(Handle entry, Duration wait) {
  waiting_.emplace(scheduler_.now() + wait, entry);
  timer_->set(waiting_.begin()->first);
}

// Forgets a delivery that is neither ready nor waiting, and its receiver with the last one.
void Dispatcher::remove(Handle entry) {
  Receiver& receiver = *entry->receiver;
  entries_.erase(entry);
  if (--receiver.entries == 0) {
    receivers_.erase(std::string(receiver.name));
  } else {
    pump(receiver);
  }
}

void Dispatcher::wake() {
  const MonoTime now = scheduler_.now();
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const Handle entry = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    entry->receiver->ready.push_back(entry);
    pump(*entry->receiver);
  }
  if (!waiting_.empty()) timer_->set(waiting_.begin()->first);
}

}  // namespace hangup::cleanup
