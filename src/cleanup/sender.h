// One attempt at a delivery, behind an interface: the dispatcher decides when, a sender knows how.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {

// How an attempt ended.
struct AttemptResult {
  int status = 0;                       // of the response; 0 for none
  std::optional<Duration> retry_after;  // what the response asked for
  std::string error;                    // why there is no response; "" when there is one
  bool hopeless = false;                // nothing was sent, and nothing will be: another try is of no use
  bool ours =
      false;  // nothing was sent, for want of descriptors or memory here: says nothing of the receiver
};

// Threading: belongs to its loop's thread, which is where `done` is called.
class Sender {
 public:
  using Done = std::move_only_function<void(AttemptResult)>;

  // Drops the attempts that are under way, without a word.
  virtual ~Sender() = default;
  // Sends the delivery once and tells how that ended, within delivery.timeout. `delivery` is needed until
  // then. `done` is never called from inside send().
  virtual void send(const Delivery& delivery, Done done) = 0;
  // Names the receiver of a delivery: what shares a bound of concurrency and fails together. The error says
  // why it has none.
  virtual Result<std::string> receiver_of(const Delivery& delivery) const;
};

}  // namespace hangup::cleanup
