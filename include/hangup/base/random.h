// Random bytes from the kernel, fetched in batches.
#pragma once

#include <cstddef>

namespace hangup {

// Threading: one belongs to one thread.
class RandomBytes {
 public:
  // `count` bytes that nobody else gets; good until the next call. At most a batch.
  const unsigned char* take(std::size_t count);

 private:
  static constexpr std::size_t batch_bytes = 1024;
  unsigned char random_[batch_bytes] = {};
  std::size_t used_ = batch_bytes;
};

}  // namespace hangup
