// Clients that ask for /name, one request after the other, until their end.
#pragma once

#include "e2e/fixture.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <thread>

namespace hangup::test {

class NameLoad {
 public:
  explicit NameLoad(const std::function<Client()>& connect) {
    for (Asker& asker : askers_) {
      asker.thread = std::jthread([this, &asker, connect](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          failed_ += !succeeds(connect);
          ++asker.answered;
        }
      });
    }
  }
  // Until every client has had two more answers: what was under way before has ended then.
  void go_on() const {
    for (const Asker& asker : askers_) {
      const std::size_t until = asker.answered + 2;
      eventually("requests under load", [&] { return asker.answered >= until; });
    }
  }
  // Requests that were not answered with 200.
  std::size_t failed() const { return failed_; }

 private:
  static bool succeeds(const std::function<Client()>& connect) {
    try {
      return connect().exchange(get("/name")).status == 200;
    } catch (const std::exception&) {
      return false;
    }
  }

  std::atomic<std::size_t> failed_ = 0;
  struct Asker {
    std::atomic<std::size_t> answered = 0;
    std::jthread thread;
  };
  std::array<Asker, 3> askers_;
};

}  // namespace hangup::test
