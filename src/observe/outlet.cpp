#include "observe/outlet.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace hangup::observe {

void LostLines::add(std::uint64_t lines, const std::string& why) {
  {
    const std::scoped_lock lock(mutex_);
    why_ = why;
  }
  all.fetch_add(lines, std::memory_order_relaxed);
  unsaid.fetch_add(lines, std::memory_order_relaxed);
}

std::string LostLines::why() const {
  const std::scoped_lock lock(mutex_);
  return why_;
}

void Outlet::redirect(spdlog::sink_ptr to) {
  const std::scoped_lock lock(mutex_);
  next_.swap(to);  // one that was never adopted closes when this returns
  redirected_.store(true);
}

void Outlet::adopt(bool nowhere_too) {
  if (!redirected_.load(std::memory_order_relaxed)) return;
  const std::scoped_lock lock(mutex_);
  if (!next_ && !nowhere_too) return;
  redirected_.store(false);
  current_ = std::exchange(next_, nullptr);
}

void Outlet::log(const spdlog::details::log_msg& message) {
  adopt(false);
  if (!current_) return;
  if (!lost_) return current_->log(message);
  try {
    current_->log(message);
  } catch (const std::exception& failure) {
    lost_->add(count_lines(message), failure.what());
  }
}

void Outlet::flush() {
  adopt(true);
  if (current_) current_->flush();
}

std::uint64_t count_lines(const spdlog::details::log_msg& message) {
  return static_cast<std::uint64_t>(std::ranges::count(message.payload, '\n'));
}

}  // namespace hangup::observe
