// What is done again and again is spread a little, so that servers, and processes that were started at once,
// don't fall into step.
#pragma once

#include <chrono>

#include <hangup/base/clock.h>

namespace hangup::upstream {

// From 90 to 110 percent of `wait`, by `random`, which is from 0 to 1.
inline Duration jittered(Duration wait, double random) {
  return std::chrono::duration_cast<Duration>(wait * (0.9 + 0.2 * random));
}

}  // namespace hangup::upstream
