// Finds the data of the first event in a stream of server-sent events (WHATWG HTML section 9.2.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hangup::proxy {

// Takes the stream in pieces of any size and gives what is data in pieces as it comes; keeps nothing of it.
class FirstEvent {
 public:
  // Takes a run from the front of `stream`, and returns how long it was. `data` is what in it is data of the
  // first event: a view into it, or a line end between two lines of data. Nothing more is taken once the
  // event has ended.
  std::size_t take(std::string_view stream, std::string_view& data);
  bool ended() const { return state_ == State::ended; }

 private:
  enum class State : std::uint8_t {
    bom,    // at the stream's start
    line,   // at the start of a line or in the name of its field
    blank,  // behind the colon of a field `data`
    data,
    other,  // in a line without data
    ended,
  };

  std::string_view end_line(char c);
  std::string_view start_data();

  State state_ = State::bom;
  std::uint8_t matched_ = 0;  // of the byte order mark, or of the field's name
  bool after_cr_ = false;
  bool any_data_ = false;  // in the event so far
};

}  // namespace hangup::proxy
