// How long to wait before an attempt is repeated.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include <hangup/base/clock.h>
#include <hangup/config/config.h>

namespace hangup::cleanup {

// Uniform over 0 to `max`, both included.
using Random = std::function<std::uint64_t(std::uint64_t max)>;

// Exponential backoff with full jitter: anything up to base * 2^(failures - 1), at most the maximum, so that
// deliveries which failed together do not come back together. What the receiver asked for by Retry-After is
// waited first, and the same jitter comes on top. `failures` is at least 1.
Duration backoff(const config::Retry& retry, unsigned failures, std::optional<Duration> retry_after,
                 const Random& random);

}  // namespace hangup::cleanup
