#include "cleanup/load_window.h"

namespace hangup::cleanup {

// `share`: with this part of the limits, 1 for all, 2 for half.
bool LoadWindow::has_room(const Lane& lane, std::size_t share) const {
  if (lane.deliveries == 0) return true;
  return lane.deliveries < limits_.lane_deliveries / share && lane.bytes < limits_.lane_bytes / share &&
         held_.size() < limits_.deliveries && bytes_ < limits_.bytes;
}

bool LoadWindow::has_room(const std::string& lane) const {
  const auto found = lanes_.find(lane);
  return found == lanes_.end() || has_room(found->second, 1);
}

void LoadWindow::hold(const std::string& id, const std::string& lane, std::size_t bytes) {
  const auto its = lanes_.try_emplace(lane).first;
  if (!held_.try_emplace(id, Held{its, bytes}).second) return tidy(its);
  ++its->second.deliveries;
  its->second.bytes += bytes;
  bytes_ += bytes;
}

void LoadWindow::release(const std::string& id) {
  const auto held = held_.find(id);
  if (held == held_.end()) return;
  const auto lane = held->second.lane;
  --lane->second.deliveries;
  lane->second.bytes -= held->second.bytes;
  bytes_ -= held->second.bytes;
  held_.erase(held);
  tidy(lane);
}

void LoadWindow::set_backlog(const std::string& lane, bool backlog) {
  const auto found = lanes_.try_emplace(lane).first;
  found->second.backlog = backlog;
  tidy(found);
}

bool LoadWindow::has_backlog(const std::string& lane) const {
  const auto found = lanes_.find(lane);
  return found != lanes_.end() && found->second.backlog;
}

std::vector<std::string> LoadWindow::hungry() const {
  std::vector<std::string> lanes;
  for (const auto& [name, lane] : lanes_) {
    if (lane.backlog && has_room(lane, 2)) lanes.push_back(name);
  }
  return lanes;
}

void LoadWindow::tidy(Lanes::iterator lane) {
  if (lane->second.deliveries == 0 && !lane->second.backlog) lanes_.erase(lane);
}

}  // namespace hangup::cleanup
