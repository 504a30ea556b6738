// When one server is checked: at once, then at every interval, never two checks at a time. What a check does
// is the probe's affair (server_probe.h).
//
// Threading: belongs to the scheduler's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <hangup/base/clock.h>
#include <hangup/base/scheduler.h>
#include <hangup/config/upstream_care.h>

namespace hangup::upstream {

struct CheckResult {
  enum class Verdict : std::uint8_t {
    passed,
    failed,
    not_made,  // this process or machine lacks what it takes: that says nothing of the server
  } verdict = Verdict::failed;
  std::string reason;  // unless it passed
};

// One check under way. Destroying it drops it.
class Probe {
 public:
  virtual ~Probe() = default;
};

class HealthChecker {
 public:
  using Done = std::function<void(CheckResult)>;
  // `done` is to be called at most once, not from inside the call. The probe may go on then with what is left
  // to do politely, until it is destroyed.
  using StartProbe = std::function<std::unique_ptr<Probe>(Done done)>;

  // `random` is from 0 to 1. `config` outlives this.
  HealthChecker(Scheduler& scheduler, const config::HealthCheck& config, StartProbe start_probe,
                std::function<double()> random, Done on_result);

  void start() { check(); }

 private:
  void check();
  void on_timer();
  void end(CheckResult result);

  Scheduler& scheduler_;
  const config::HealthCheck& config_;
  StartProbe start_probe_;
  std::function<double()> random_;
  Done on_result_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Probe> probe_;
  bool under_way_ = false;
  bool first_ = true;
  MonoTime started_{};
};

}  // namespace hangup::upstream
