// Identifiers: UUID version 7 (RFC 9562 section 5.7), which sort by the time they were made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <hangup/base/clock.h>

namespace hangup {

// Makes UUIDv7s. Threading: one generator belongs to one thread; ids of different generators do not collide,
// since 74 bits of each are random (from getrandom, fetched in batches).
class UuidGenerator {
 public:
  explicit UuidGenerator(const Clock& clock) : clock_(clock) {}
  // "018f6c1e-7b7a-7c4e-9c3a-2f1d5b8e9a01"
  std::string next();

 private:
  const Clock& clock_;
  static constexpr std::size_t batch_bytes = 1024;
  unsigned char random_[batch_bytes] = {};
  std::size_t used_ = batch_bytes;
};

}  // namespace hangup
