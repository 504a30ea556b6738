// Body bytes that framing stood between, put next to each other in place: what came together is passed on
// together.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace hangup::http {

class BodyRun {
 public:
  // `payload` is a view into a buffer of the caller's that may be written to, behind what was added before;
  // the bytes of that buffer before it are done with.
  void add(std::string_view payload) {
    if (payload.empty()) return;
    char* from = const_cast<char*>(payload.data());
    if (start_ == nullptr) {
      start_ = from;
    } else if (start_ + size_ != from) {
      std::memmove(start_ + size_, from, payload.size());
    }
    size_ += payload.size();
  }
  bool empty() const { return size_ == 0; }
  std::string_view bytes() const { return {start_, size_}; }

 private:
  char* start_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace hangup::http
