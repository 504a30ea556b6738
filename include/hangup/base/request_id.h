// Identifiers: UUID version 7 (RFC 9562 section 5.7), which sort by the time they were made.
#pragma once

#include <string>

#include <hangup/base/clock.h>
#include <hangup/base/random.h>

namespace hangup {

// Makes UUIDv7s. Threading: one generator belongs to one thread; ids of different generators do not collide,
// since 74 bits of each are random (RandomBytes).
class UuidGenerator {
 public:
  explicit UuidGenerator(const Clock& clock) : clock_(clock) {}
  // "018f6c1e-7b7a-7c4e-9c3a-2f1d5b8e9a01"
  std::string next();

 private:
  const Clock& clock_;
  RandomBytes random_;
};

}  // namespace hangup
