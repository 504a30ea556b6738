// Questions that other threads answer: until all have, or time is up. A page that asks a thread which is
// stuck still says what it knows, and which is missing; who answers later is not listened to.
//
// Threading: begin() on the listener's thread, answered() on any.
#pragma once

#include "admin/http_listener.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include <hangup/base/clock.h>
#include <hangup/base/scheduler.h>

namespace hangup::admin {

class Questions {
 public:
  using Id = std::uint64_t;
  using Done = std::move_only_function<void(std::size_t missing)>;

  // To be destroyed when the listener has stopped, and before it goes.
  Questions(Scheduler& scheduler, std::shared_ptr<Desk> desk);

  // `ask` gets the question's id, hands it to those who are to answer, and returns how many they are. `done`
  // is called on the listener's thread with the number of those who have not answered within `patience`.
  void begin(const std::function<std::size_t(Id)>& ask, Duration patience, Done done);
  // How answers are given: `take` runs on the listener's thread, unless time is up. Any thread, and when the
  // listener has gone too.
  using Answering = std::function<void(Id, std::move_only_function<void()> take)>;
  Answering answering();

 private:
  struct Open {
    std::size_t missing = 0;
    Done done;
    std::unique_ptr<Timer> timer;
  };
  void end(Id id);

  Scheduler& scheduler_;
  std::shared_ptr<Desk> desk_;
  std::map<Id, Open> open_;
  Id last_id_ = 0;
};

}  // namespace hangup::admin
