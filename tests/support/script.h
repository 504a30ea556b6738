// What a scripted server does about one request, step by step.
#pragma once

#include "support/http_message.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace hangup::test {

// A value; built by chaining: Script().after_body().send(chunked_head()).gate("go").send(last_chunk).
// It runs from the moment the request's head has arrived; its end leaves the connection open for the next
// request.
class Script {
 public:
  // Not a variant: g++ 12 takes its moves for uses of uninitialised memory when it also sanitizes.
  struct Step {
    enum class Kind {
      send,
      after_body,
      gate,
      stop_reading,
      resume_reading,
      fin,
      close,
      cut,
      reset,
      update_keys
    };
    Kind kind;
    std::string text = {};  // the bytes to send, or the gate's name
    std::uint64_t times = 1;
  };

  Script& send(std::string bytes) { return add({Step::Kind::send, std::move(bytes)}); }
  Script& send_times(std::string bytes, std::uint64_t times) {
    return add({Step::Kind::send, std::move(bytes), times});
  }
  Script& send_endlessly(std::string bytes) {
    return send_times(std::move(bytes), std::numeric_limits<std::uint64_t>::max());
  }
  // Waits until the request's body has come.
  Script& after_body() { return add({Step::Kind::after_body}); }
  // Waits until the test opens the gate of that name; an open gate stays open.
  Script& gate(std::string name) { return add({Step::Kind::gate, std::move(name)}); }
  // From here on nothing is read from the connection; its end is still noticed.
  Script& stop_reading() { return add({Step::Kind::stop_reading}); }
  Script& resume_reading() { return add({Step::Kind::resume_reading}); }
  Script& fin() { return add({Step::Kind::fin}); }      // shutdown(SHUT_WR); reading goes on
  Script& close() { return add({Step::Kind::close}); }  // FIN, or RST if something came that was not read
  Script& cut() { return add({Step::Kind::cut}); }      // as close(), but without TLS's close_notify
  Script& reset() { return add({Step::Kind::reset}); }
  // With TLS 1.3.
  Script& update_keys() { return add({Step::Kind::update_keys}); }

  const std::vector<Step>& steps() const { return steps_; }

 private:
  Script& add(Step step) {
    steps_.push_back(std::move(step));
    return *this;
  }

  std::vector<Step> steps_;
};

// Answers once the request is whole.
inline Script respond(int status, std::string_view body = {}, const FieldList& fields = {}) {
  return Script().after_body().send(response(status, body, fields));
}

// Takes the request and never says a word.
inline Script never_answer() {
  return {};
}

}  // namespace hangup::test
