// When each delivery is tried: concurrency, retries, giving up. No sockets: those are the Sender's.
#pragma once

#include "cleanup/backoff.h"
#include "cleanup/progress.h"
#include "cleanup/sender.h"

#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <hangup/base/scheduler.h>
#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {

// Owns the deliveries that are pending. Each is in one of three places: ready, in the queue of its receiver;
// under way, at the sender; or waiting for its next attempt. Threading: belongs to the scheduler's thread.
// The sender must go first, or call nobody any more.
class Dispatcher {
 public:
  struct Limits {
    std::size_t per_receiver = 64;  // attempts under way, so that one slow receiver stops no other
    std::size_t total =
        1024;  // over all receivers, so that sockets are bounded when a client can name the receiver
  };
  Dispatcher(Scheduler& scheduler, Sender& sender, Progress& progress, Limits limits, Random random);

  // Takes over a delivery. One that an earlier life of the process has tried already goes on counting its
  // `attempts`; the next one is not before `wait` has passed.
  void add(Delivery delivery, unsigned attempts = 0, Duration wait = {});
  std::vector<const Delivery*> pending() const;
  // Drops a delivery, unless an attempt is under way. False when it is not here, or under way.
  bool forget(std::string_view id);
  // Ends the wait for its next attempt.
  void retry_now(std::string_view id);

 private:
  struct Receiver;
  struct Entry {
    Delivery delivery;
    Receiver* receiver = nullptr;
    unsigned attempts = 0;
    MonoTime started{};  // of the attempt that is under way
    WallTime started_wall{};
  };
  using Handle = std::list<Entry>::iterator;
  struct Receiver {
    std::string name;
    std::size_t entries = 0;  // in all three places; with none the receiver is forgotten
    std::size_t under_way = 0;
    std::deque<Handle> ready;
    bool starved = false;  // in starved_
  };

  bool may_start(const Receiver& receiver) const;
  void pump(Receiver& receiver);
  void feed_starved();
  void start_next(Receiver& receiver);
  void ended(Handle entry, AttemptResult result);
  void retry_later(Handle entry, const AttemptRecord& attempt);
  void try_later(Handle entry, Duration wait);
  void remove(Handle entry);
  void wake();

  Scheduler& scheduler_;
  Sender& sender_;
  Progress& progress_;
  const Limits limits_;
  const Random random_;

  std::list<Entry> entries_;
  std::unordered_map<std::string, Receiver> receivers_;
  std::size_t under_way_ = 0;
  std::deque<Receiver*> starved_;  // in turn, each for one start
  std::multimap<MonoTime, Handle> waiting_;
  std::unique_ptr<Timer> timer_;  // for the first of waiting_
};

}  // namespace hangup::cleanup
