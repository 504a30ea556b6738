// What attacks are judged by: the memory and the CPU time that they cost hangup, and whether others are still
// served.
#pragma once

#include "e2e/fixture.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace hangup::test {

class Attack : public EndToEnd {
 protected:
  // Starts hangup and notes what it needs when nobody attacks.
  void start_calm(const Yaml& yaml = {}) {
    std::string text = configuration(yaml);
    text.insert(text.find("routes:\n") + 8,
                "  - {name: bystanders, match: {path: /bystander}, upstream: calm}\n");
    text.insert(text.find("upstreams:\n") + 11,
                "  calm: {servers: [\"" + calm_.url() +
                    "\"], connections: {keepalive: 0}, timeouts: {connect: 30s}}\n");
    hangup = std::make_unique<Hangup>(text);
    EXPECT_EQ(connect().exchange(get("/calm")).body, "ok");
    calm_memory_ = hangup->resident_bytes();
  }
  // A bystander is served, and soon, where the attack's own side is not what everything waits for.
  void expect_others_served() const {
    const Time begin = std::chrono::steady_clock::now();
    EXPECT_EQ(connect().exchange(get("/bystander")).body, "ok");
    if (sanitized) return;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, patience / 5);
  }
  void expect_memory_below(std::uint64_t growth) const {
    if (sanitized) return;
    const std::uint64_t peak = hangup->peak_resident_bytes();
    EXPECT_LT(peak - std::min(peak, calm_memory_), growth);
  }
  std::uint64_t calm_memory() const { return calm_memory_; }

  // The CPU time that hangup needs for `attack` of that size: quadratic work shows as four times as much for
  // twice the size. What is too little to be measured is no attack.
  void expect_linear(std::uint64_t size, const std::function<void(std::uint64_t)>& attack) const {
    const auto cost = [&](std::uint64_t of) {
      const auto before = hangup->cpu_time();
      attack(of);
      return hangup->cpu_time() - before;
    };
    cost(size / 4);  // pages and caches are warm
    // What else runs on the machine can only add to it, and does not do so each time.
    std::chrono::nanoseconds once{};
    std::chrono::nanoseconds twice{};
    std::chrono::nanoseconds most{};
    for (int attempt = 0; attempt < 3 && twice >= most; ++attempt) {
      once = cost(size);
      twice = cost(2 * size);
      most = std::max<std::chrono::nanoseconds>(3 * once, std::chrono::milliseconds(60));
    }
    RecordProperty("cpu_us", static_cast<int>(once / std::chrono::microseconds(1)));
    RecordProperty("cpu_us_twice", static_cast<int>(twice / std::chrono::microseconds(1)));
    EXPECT_LT(twice, most) << once.count() << " ns for half of it";
  }

 private:
  MockUpstream calm_;  // of bystanders: the other one may be busy with its part of the attack
  std::uint64_t calm_memory_ = 0;
};

}  // namespace hangup::test
