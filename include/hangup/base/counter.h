// Counting up to a limit, by several threads.
#pragma once

#include <atomic>
#include <cstddef>

namespace hangup {

// Counts one more, unless there are `limit` already. Thread-safe; giving it back is a fetch_sub().
inline bool take_one(std::atomic<std::size_t>& taken, std::size_t limit) {
  std::size_t count = taken.load();
  do {
    if (count >= limit) return false;
  } while (!taken.compare_exchange_weak(count, count + 1));
  return true;
}

}  // namespace hangup
