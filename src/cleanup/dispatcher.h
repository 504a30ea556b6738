// When each delivery is tried: turns, delays, concurrency, retries, giving up. No sockets: those are the
// Sender's.
#pragma once

#include "cleanup/backoff.h"
#include "cleanup/breaker.h"
#include "cleanup/deadlines.h"
#include "cleanup/progress.h"
#include "cleanup/sender.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <hangup/base/scheduler.h>
#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {

// Owns the deliveries that are pending. Each is in one of four places:
//
//   held       its exchange has others of a lower turn, which have to end before it
//   waiting    for a moment: its delay, or the pause before its next attempt
//   ready      in the queue of its receiver, whose breaker and bounds let it go, or not yet
//   under way  at the sender
//
// and leaves from any of them: acknowledged, dead or forgotten. Wall-clock times (`created`) are turned into
// moments of the monotonic clock when a delivery is added: what the wall clock does later moves nothing, and
// a `created` in the future counts as now.
//
// Threading: belongs to the scheduler's thread. Progress must not call back from inside its functions. The
// sender must go first, or call nobody any more.
class Dispatcher {
 public:
  struct Limits {
    std::size_t per_receiver = 64;  // attempts under way, so that one slow receiver stops no other
    std::size_t total = 1024;       // over all receivers, so that sockets are bounded
  };
  Dispatcher(Scheduler& scheduler, Sender& sender, Progress& progress, Limits limits, Random random);
  ~Dispatcher();

  // Takes over a delivery. One that an earlier life of the process has tried already goes on counting its
  // `attempts`; the next one is not before `wait` has passed. Those of one exchange are to be added in the
  // order of their turns: one starts when nothing of a lower turn is known.
  void add(Delivery delivery, unsigned attempts = 0, Duration wait = {});
  std::vector<const Delivery*> pending() const;
  // When the delivery was created that it has held longest; nullopt without any. Any thread.
  std::optional<WallTime> oldest() const;

  // Drops a delivery: nothing of it is tried again and Progress hears nothing more, except that an attempt
  // under way is reported when it ends. False when it holds no such delivery.
  bool forget(std::string_view id);
  // Ends the pause that a delivery is in, its own or its receiver's. Turns and expiry stay. Nothing if it
  // holds no such delivery, or is trying it just now.
  void retry_now(std::string_view id);

 private:
  struct Entry;
  struct Receiver;
  struct Turn {
    std::size_t pending = 0;
    std::list<Entry*> held;
  };
  using Turns = std::map<unsigned, Turn>;  // of an exchange; the lowest may go

  void join(Entry& entry);
  Receiver& receiver_named(const std::string& name);
  void forget_idle_receivers();

  // For an entry that is in no place, or none any more.
  void queue(Entry& entry);
  void leave_place(Entry& entry);
  void expire(Entry& entry);
  void remove(Entry& entry);

  bool may_start(const Receiver& receiver) const;
  void touch(Receiver& receiver);
  // Starts what may start and sets the timer: the end of every way in.
  void settle();
  void pump(Receiver& receiver);
  void feed_starved();
  void start_next(Receiver& receiver);
  void ended(Entry& entry, AttemptResult result);
  void conclude(Entry& entry, AttemptResult result);
  void retry_later(Entry& entry, const AttemptRecord& attempt);
  void wake();

  Scheduler& scheduler_;
  Sender& sender_;
  Progress& progress_;
  const Limits limits_;
  const Random random_;

  std::list<std::unique_ptr<Entry>> entries_;
  static constexpr WallTime::rep none = std::numeric_limits<WallTime::rep>::max();
  std::atomic<WallTime::rep> oldest_ = none;  // `created` of the first of them, since the clock's epoch
  std::multimap<std::string_view, Entry*> by_id_;
  std::unordered_map<std::string, Turns> exchanges_;  // by request id
  // Kept without a delivery too, for what their breakers know; swept when there are many.
  std::unordered_map<std::string, std::unique_ptr<Receiver>> receivers_;
  std::size_t next_sweep_;

  std::size_t under_way_ = 0;
  std::deque<Receiver*> starved_;  // of the total bound: in turn, each for one start
  std::deque<Receiver*> touched_;  // may have something to start
  Deadlines<Entry*> waiting_;
  Deadlines<Entry*> expiries_;
  Deadlines<Receiver*> pauses_;
  std::unique_ptr<Timer> timer_;  // for the first of all three
};

}  // namespace hangup::cleanup
