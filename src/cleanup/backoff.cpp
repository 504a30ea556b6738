#include "cleanup/backoff.h"

#include <algorithm>

namespace hangup::cleanup {

Duration backoff(const config::Retry& retry, unsigned failures, std::optional<Duration> retry_after,
                 const Random& random) {
  Duration ceiling = std::min(retry.backoff_base, retry.backoff_max);
  for (unsigned i = 1; i < failures && ceiling < retry.backoff_max && ceiling > Duration::zero(); ++i) {
    ceiling = ceiling > retry.backoff_max / 2 ? retry.backoff_max : ceiling * 2;
  }
  const auto jitter = random(static_cast<std::uint64_t>(std::max(ceiling, Duration::zero()).count()));
  const Duration asked = std::max(retry_after.value_or(Duration::zero()), Duration::zero());
  return asked + std::min(Duration(static_cast<Duration::rep>(jitter)), Duration::max() - asked);
}

}  // namespace hangup::cleanup
