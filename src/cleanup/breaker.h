// Decides how many attempts one receiver may have under way, so that one that is down is asked now and then
// and not hammered, and one that has come back is not buried under what had piled up.
//
//   closed --failures in a row--> open --pause--> probing --success--> ramping --successes--> closed
//                                  ^                |                     |
//                                  +----failure-----+--failures in a row--+
//
// closed: as many as the bound allows. open: none, until a pause is over, which grows with each opening in a
// row. probing: one. ramping: a number that doubles when as many have succeeded, and halves with a failure.
// A success while it is open, of an attempt from before, leads to ramping too.
#pragma once

#include "cleanup/backoff.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include <hangup/base/clock.h>

namespace hangup::cleanup {

// Threading: belongs to its dispatcher's thread.
class Breaker {
 public:
  static constexpr unsigned failures_to_open = 5;
  static constexpr Duration first_pause = std::chrono::milliseconds(500);
  static constexpr Duration longest_pause = std::chrono::seconds(10);

  enum class State : std::uint8_t { closed, open, probing, ramping };
  // What an attempt's end says of the receiver.
  enum class Sign : std::uint8_t {
    alive,    // it answered for itself, be it with a refusal
    failing,  // no answer, or one that asks to try again
    nothing,
  };
  // Names the period in which an attempt started: what began before the breaker opened is no news of later.
  using Ticket = std::uint32_t;

  explicit Breaker(std::size_t bound) : bound_(bound) {}

  State state() const { return state_; }
  // How many attempts may be under way, not counting those from before it opened.
  std::size_t limit() const;
  bool admits() const { return under_way_ < limit(); }
  // REQUIRES: admits().
  Ticket start();
  // To be called once for each start(). When this opens the breaker: the moment when its pause is over.
  std::optional<MonoTime> end(Ticket ticket, Sign sign, MonoTime now, const Random& random);
  // Lets a probe through, if it is open and its pause is over.
  void pause_over(MonoTime now);
  // Somebody knows that it is worth a try: a pause is over.
  void end_pause();

 private:
  void transition(State to);
  MonoTime open(MonoTime now, const Random& random);
  void succeeded();
  std::optional<MonoTime> failed(MonoTime now, const Random& random);

  std::size_t bound_;
  State state_ = State::closed;
  Ticket period_ = 0;
  std::size_t under_way_ = 0;  // of this period
  unsigned failures_ = 0;      // in a row
  unsigned openings_ = 0;      // since it was closed last
  MonoTime paused_until_{};
  std::size_t ramp_ = 1;            // the limit while ramping
  std::size_t ramp_successes_ = 0;  // since that has changed
};

}  // namespace hangup::cleanup
