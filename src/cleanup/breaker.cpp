#include "cleanup/breaker.h"

#include <algorithm>
#include <cstdlib>

namespace hangup::cleanup {
namespace {

using State = Breaker::State;

constexpr bool may_follow(State from, State to) {
  switch (from) {
    case State::closed:
      return to == State::open;
    case State::open:
      return to == State::probing || to == State::ramping;
    case State::probing:
      return to == State::open || to == State::ramping;
    case State::ramping:
      return to == State::open || to == State::closed;
  }
  return false;
}

}  // namespace

std::size_t Breaker::limit() const {
  switch (state_) {
    case State::closed:
      return bound_;
    case State::open:
      return 0;
    case State::probing:
      return 1;
    case State::ramping:
      return std::min(ramp_, bound_);
  }
  return 0;
}

void Breaker::transition(State to) {
  if (!may_follow(state_, to)) std::abort();
  state_ = to;
  failures_ = 0;
  if (to == State::closed) openings_ = 0;
  if (to == State::ramping) {
    ramp_ = 1;
    ramp_successes_ = 0;
  }
  if (to == State::open) {
    ++period_;
    under_way_ = 0;
  }
}

Breaker::Ticket Breaker::start() {
  ++under_way_;
  return period_;
}

std::optional<MonoTime> Breaker::end(Ticket ticket, Sign sign, MonoTime now, const Random& random) {
  const bool is_of_now = ticket == period_;
  if (is_of_now) --under_way_;
  if (sign == Sign::alive) succeeded();
  if (sign == Sign::failing && is_of_now) return failed(now, random);
  return std::nullopt;
}

void Breaker::succeeded() {
  failures_ = 0;
  if (state_ == State::closed) return;
  if (state_ != State::ramping) transition(State::ramping);
  if (++ramp_successes_ < ramp_) return;
  ramp_successes_ = 0;
  ramp_ *= 2;
  if (ramp_ >= bound_) transition(State::closed);
}

std::optional<MonoTime> Breaker::failed(MonoTime now, const Random& random) {
  if (state_ == State::open) return std::nullopt;
  if (state_ == State::probing || ++failures_ >= failures_to_open) return open(now, random);
  if (state_ == State::ramping) {
    ramp_ = std::max<std::size_t>(ramp_ / 2, 1);
    ramp_successes_ = 0;
  }
  return std::nullopt;
}

// Half of the pause is random: what several of us found down together is not asked by all together.
MonoTime Breaker::open(MonoTime now, const Random& random) {
  transition(State::open);
  constexpr unsigned most_doublings = 16;  // far beyond the longest pause
  const Duration pause = std::min(first_pause * (1U << std::min(openings_++, most_doublings)), longest_pause);
  const Duration half = pause / 2;
  paused_until_ = later(
      now, half + Duration(static_cast<Duration::rep>(random(static_cast<std::uint64_t>(half.count())))));
  return paused_until_;
}

void Breaker::pause_over(MonoTime now) {
  if (state_ == State::open && paused_until_ <= now) transition(State::probing);
}

void Breaker::end_pause() {
  if (state_ == State::open) transition(State::probing);
}

}  // namespace hangup::cleanup
