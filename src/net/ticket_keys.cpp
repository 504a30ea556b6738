#include "net/ticket_keys.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>

namespace hangup::net {
namespace {

TicketKeys::Key random_key() {
  TicketKeys::Key key;
  const auto fill = [](auto& bytes) {
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();  // no randomness at all
  };
  fill(key.name);
  fill(key.cipher);
  fill(key.mac);
  return key;
}

}  // namespace

static_assert(TicketKeys::session_time <= 2 * TicketKeys::rotation, "three keys would not be enough");

TicketKeys::TicketKeys(const Clock& clock) : clock_(clock), keys_{random_key()}, made_(clock.now()) {}

// By the clock, not by use: after hours without a ticket the old keys are no good either.
void TicketKeys::rotate() {
  const MonoTime now = clock_.now();
  for (std::size_t i = 0; i < keys_.size() && now - made_ >= rotation; ++i) {
    std::shift_right(keys_.begin(), keys_.end(), 1);
    keys_.front() = random_key();
    made_ += rotation;
  }
  if (now - made_ >= rotation) made_ = now;
}

TicketKeys::Key TicketKeys::newest() {
  const std::lock_guard lock(mutex_);
  rotate();
  return *keys_.front();
}

std::optional<TicketKeys::Found> TicketKeys::find(const unsigned char* name) {
  const std::lock_guard lock(mutex_);
  rotate();
  for (const auto& key : keys_) {
    if (key && std::equal(key->name.begin(), key->name.end(), name))
      return Found{*key, &key == &keys_.front()};
  }
  return std::nullopt;
}

}  // namespace hangup::net
