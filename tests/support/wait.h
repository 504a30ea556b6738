// How tests wait: for a condition, with a generous bound, never for time to pass.
#pragma once

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

namespace hangup::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool test_sanitized = true;
#elif defined(__has_feature)
inline constexpr bool test_sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool test_sanitized = false;
#endif
// What is tested is slow and large: it, or a binary that the environment names (which is for this), is
// sanitized.
inline const bool sanitized = test_sanitized || std::getenv("HANGUP_BINARY") != nullptr;

using Time = std::chrono::steady_clock::time_point;

// Nothing that a test waits for takes longer on a machine that works.
inline const std::chrono::seconds patience{sanitized ? 30 : 10};

// Thrown, and so failing the test, when what was waited for did not come.
class TimedOut : public std::runtime_error {
 public:
  explicit TimedOut(const std::string& what) : std::runtime_error("waited in vain for " + what) {}
};

inline Time deadline_from_now() {
  return std::chrono::steady_clock::now() + patience;
}

// For what can only be looked at, such as a file or a counter of the kernel: looks every millisecond.
template <typename Predicate>
void eventually(const std::string& what, Predicate&& predicate) {
  const Time deadline = deadline_from_now();
  while (!predicate()) {
    if (std::chrono::steady_clock::now() > deadline) throw TimedOut(what);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace hangup::test
