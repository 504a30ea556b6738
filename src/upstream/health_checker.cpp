#include "upstream/health_checker.h"

#include "upstream/jitter.h"

#include <algorithm>
#include <utility>

#include <hangup/base/units.h>

namespace hangup::upstream {

HealthChecker::HealthChecker(Scheduler& scheduler, const config::HealthCheck& config, StartProbe start_probe,
                             std::function<double()> random, Done on_result)
    : scheduler_(scheduler),
      config_(config),
      start_probe_(std::move(start_probe)),
      random_(std::move(random)),
      on_result_(std::move(on_result)),
      timer_(scheduler.make_timer([this] { on_timer(); })) {}

void HealthChecker::check() {
  started_ = scheduler_.now();
  under_way_ = true;
  timer_->set(later(started_, config_.timeout));
  probe_ = start_probe_([this](CheckResult result) { end(std::move(result)); });
}

void HealthChecker::on_timer() {
  if (!under_way_) return check();
  probe_.reset();
  end({.verdict = CheckResult::Verdict::failed,
       .reason = "no answer within " + format_duration(config_.timeout)});
}

void HealthChecker::end(CheckResult result) {
  if (!std::exchange(under_way_, false)) return;
  // The first wait spreads the servers, and processes that were started at once, over the interval.
  const auto wait = std::exchange(first_, false)
                        ? std::chrono::duration_cast<Duration>(config_.interval * random_())
                        : jittered(config_.interval, random_());
  timer_->set(std::max(later(started_, wait), scheduler_.now()));
  on_result_(std::move(result));
}

}  // namespace hangup::upstream
