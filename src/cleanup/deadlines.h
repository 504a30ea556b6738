// Things that are due at a time, earliest first. Adding and removing one costs the logarithm of their number.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include <hangup/base/clock.h>

namespace hangup::cleanup {

// Threading: belongs to one thread.
template <typename Thing>
class Deadlines {
 public:
  // A thing's place among them; empty when it has none.
  using Place = std::optional<typename std::multimap<MonoTime, Thing>::iterator>;

  Place add(MonoTime when, Thing thing) { return by_time_.emplace(when, std::move(thing)); }
  void remove(Place& place) {
    if (place) by_time_.erase(*std::exchange(place, std::nullopt));
  }
  std::optional<MonoTime> next() const {
    return by_time_.empty() ? std::nullopt : std::optional(by_time_.begin()->first);
  }
  // Takes out the first, if it is due.
  std::optional<Thing> take_due(MonoTime now) {
    if (by_time_.empty() || by_time_.begin()->first > now) return std::nullopt;
    std::optional<Thing> thing = std::move(by_time_.begin()->second);
    by_time_.erase(by_time_.begin());
    return thing;
  }

 private:
  std::multimap<MonoTime, Thing> by_time_;
};

}  // namespace hangup::cleanup
