#include <sys/random.h>

#include <cstdlib>

#include <hangup/base/random.h>

namespace hangup {

const unsigned char* RandomBytes::take(std::size_t count) {
  if (used_ + count > batch_bytes) {
    // Fails only on kernels without it, or before the pool is ready with GRND_NONBLOCK: neither is so here.
    if (getrandom(random_, batch_bytes, 0) != static_cast<ssize_t>(batch_bytes)) std::abort();
    used_ = 0;
  }
  const unsigned char* taken = random_ + used_;
  used_ += count;
  return taken;
}

}  // namespace hangup
