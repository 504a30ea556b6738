// The keys that session tickets are sealed with: new ones every hour, so that who gets hold of one can read
// little, and old ones kept for as long as a ticket is good.
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <optional>

#include <hangup/base/clock.h>

namespace hangup::net {

// Any thread.
class TicketKeys {
 public:
  // How long a session can be resumed.
  static constexpr auto session_time = std::chrono::hours(2);
  static constexpr auto rotation = std::chrono::hours(1);

  struct Key {
    std::array<unsigned char, 16> name;  // stands in the ticket
    std::array<unsigned char, 32> cipher;
    std::array<unsigned char, 32> mac;
  };
  struct Found {
    Key key;
    bool newest = false;
  };

  explicit TicketKeys(const Clock& clock);

  // To seal with.
  Key newest();
  // To open a ticket with; nullopt for a name that is too old, or was never ours.
  std::optional<Found> find(const unsigned char* name);

 private:
  void rotate();

  const Clock& clock_;
  std::mutex mutex_;
  std::array<std::optional<Key>, 3> keys_;  // the newest first
  MonoTime made_;                           // the newest
};

}  // namespace hangup::net
