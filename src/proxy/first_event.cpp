#include "proxy/first_event.h"

#include <algorithm>
#include <utility>

namespace hangup::proxy {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
constexpr std::string_view data_field = "data";

constexpr bool ends_line(char c) {
  return c == '\n' || c == '\r';
}

}  // namespace

std::size_t FirstEvent::take(std::string_view stream, std::string_view& data) {
  data = {};
  if (stream.empty() || ended()) return 0;
  const char c = stream.front();
  if (std::exchange(after_cr_, false) && c == '\n') return 1;
  switch (state_) {
    case State::bom:
      if (c == byte_order_mark[matched_]) {
        if (++matched_ == byte_order_mark.size()) state_ = State::line, matched_ = 0;
        return 1;
      }
      state_ = matched_ == 0 ? State::line : State::other;
      matched_ = 0;
      return take(stream, data);
    case State::line:
      if (ends_line(c)) {
        data = end_line(c);
      } else if (matched_ < data_field.size() && c == data_field[matched_]) {
        ++matched_;
      } else if (matched_ == data_field.size() && c == ':') {
        data = start_data();
        state_ = State::blank;
      } else {
        state_ = State::other;
      }
      return 1;
    case State::blank:
      state_ = State::data;
      return c == ' ' ? 1 : take(stream, data);
    default:
      break;
  }
  if (ends_line(c)) {
    data = end_line(c);
    return 1;
  }
  const auto size = static_cast<std::size_t>(std::ranges::find_if(stream, ends_line) - stream.begin());
  if (state_ == State::data) data = stream.substr(0, size);
  return size;
}

// What the end of a line adds to the data: something only where the whole line was the field's name.
std::string_view FirstEvent::end_line(char c) {
  std::string_view data;
  after_cr_ = c == '\r';
  if (state_ == State::line && matched_ == 0) {
    state_ = any_data_ ? State::ended : State::line;
    return data;
  }
  if (state_ == State::line && matched_ == data_field.size()) data = start_data();
  state_ = State::line;
  matched_ = 0;
  return data;
}

// The line end between this line of data and the one before.
std::string_view FirstEvent::start_data() {
  return std::exchange(any_data_, true) ? "\n" : "";
}

}  // namespace hangup::proxy
