// What the demo's parts saw, in one place: they record, the script waits for what it expects.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <hangup/base/clock.h>

namespace hangup::app::demo {

struct Event {
  enum class Kind : std::uint8_t {
    request_began,     // the backend got a request
    request_done,      // the backend sent its whole response
    close_seen,        // the backend's peer closed before that
    cleanup_received,  // the receiver got a cleanup
    exchange_logged,   // the proxy wrote an exchange's line
    attempt_logged,    // the proxy wrote any other line: what became of a cleanup
  };
  Kind kind{};
  MonoTime when = std::chrono::steady_clock::now();
  std::string request_id;
  std::string path;     // of the request, as far as the recorder knows it
  std::string id;       // of a cleanup: its webhook-id
  std::string outcome;  // of a cleanup or a logged exchange
  std::string phase;    // the same
  std::string line;     // as logged
};

// Thread-safe.
class Timeline {
 public:
  using Listener = std::function<void(const Event&)>;
  using Condition = std::function<bool(const Event&)>;

  void record(Event event);
  // The first event that meets the condition, waited for; nullopt if none comes within the given time.
  std::optional<Event> wait_for(const Condition& condition, Duration at_most);
  std::size_t count(const Condition& condition) const;
  // From now on events are told to `listener`, one at a time, and no longer kept.
  void follow(Listener listener);

 private:
  mutable std::mutex mutex_;
  std::condition_variable recorded_;
  std::vector<Event> events_;
  Listener listener_;
};

}  // namespace hangup::app::demo
