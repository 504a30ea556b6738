// Which deliveries of the outbox are in memory, at the dispatcher: some of each receiver, so that a dead
// one's backlog neither fills the memory nor holds up others. What is beyond waits in the file.
//
// Each delivery is in the lane of its receiver.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hangup::cleanup {

class LoadWindow {
 public:
  struct Limits {
    std::size_t lane_deliveries = 2'000;
    std::size_t lane_bytes = 16 * 1024 * 1024;
    std::size_t deliveries = 50'000;  // over all lanes; beyond it, a lane still gets one delivery at a time
    std::size_t bytes = 128 * 1024 * 1024;
  };
  explicit LoadWindow(Limits limits) : limits_(limits) {}

  // For one more.
  bool has_room(const std::string& lane) const;
  void hold(const std::string& id, const std::string& lane, std::size_t bytes);
  void release(const std::string& id);
  bool holds(std::string_view id) const { return held_.contains(std::string(id)); }
  std::size_t size() const { return held_.size(); }

  // Something of the lane waits in the file.
  void set_backlog(const std::string& lane, bool backlog);
  bool has_backlog(const std::string& lane) const;
  // The lanes with a backlog that are at most half full: it is loaded in few large portions.
  std::vector<std::string> hungry() const;

 private:
  struct Lane {
    std::size_t deliveries = 0;
    std::size_t bytes = 0;
    bool backlog = false;
  };
  using Lanes = std::map<std::string, Lane>;
  struct Held {
    Lanes::iterator lane;
    std::size_t bytes = 0;
  };
  bool has_room(const Lane& lane, std::size_t share) const;
  void tidy(Lanes::iterator lane);

  const Limits limits_;
  Lanes lanes_;  // those that hold anything or have a backlog
  std::unordered_map<std::string, Held> held_;
  std::size_t bytes_ = 0;
};

}  // namespace hangup::cleanup
