#include <event2/event.h>
#include <sys/eventfd.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include <hangup/net/event_loop.h>

namespace hangup::net {
namespace {

// A deadline on libevent's heap. Moving it later leaves the event where it is: when that fires too early, it
// is set again.
class LoopTimer final : public Timer {
 public:
  LoopTimer(event_base* base, std::function<void()> on_fire)
      : event_(event_new(base, -1, 0, &LoopTimer::fired, this)), on_fire_(std::move(on_fire)) {
    if (event_ == nullptr) std::abort();
  }
  ~LoopTimer() override { event_free(event_); }

  void set(MonoTime when) override {
    wanted_ = when;
    if (!armed_ || when < *armed_) arm();
  }
  void cancel() override { wanted_.reset(); }

 private:
  void arm() {
    using namespace std::chrono;
    const auto left =
        duration_cast<microseconds>(std::max(*wanted_ - steady_clock::now(), Duration::zero())) +
        microseconds(1);  // rounded up, so that it does not fire just before its time
    const timeval after{static_cast<time_t>(left.count() / 1'000'000),
                        static_cast<suseconds_t>(left.count() % 1'000'000)};
    event_add(event_, &after);
    armed_ = *wanted_;
  }
  static void fired(evutil_socket_t, short, void* self) {
    auto* timer = static_cast<LoopTimer*>(self);
    timer->armed_.reset();
    if (!timer->wanted_) return;
    if (std::chrono::steady_clock::now() < *timer->wanted_) return timer->arm();
    timer->wanted_.reset();
    const auto on_fire = timer->on_fire_;  // the timer may go while it runs
    on_fire();
  }

  event* event_;
  std::function<void()> on_fire_;
  std::optional<MonoTime> wanted_;
  std::optional<MonoTime> armed_;  // not later than wanted_
};

}  // namespace

void EventLoop::BaseDeleter::operator()(event_base* base) const {
  event_base_free(base);
}

EventLoop::EventLoop() : read_buffer_(std::make_unique_for_overwrite<char[]>(read_buffer_size)) {
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
  base_.reset(event_base_new_with_config(config));
  event_config_free(config);
  wakeup_ = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!base_ || !wakeup_) std::abort();
  wakeup_event_ = event_new(
      base_.get(), wakeup_.get(), EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<EventLoop*>(self)->run_posted(); }, this);
  if (wakeup_event_ == nullptr || event_add(wakeup_event_, nullptr) != 0) std::abort();
}

EventLoop::~EventLoop() {
  while (!deferred_.empty()) const auto dropped = std::exchange(deferred_, {});  // which may defer more
  event_free(wakeup_event_);
}

MonoTime EventLoop::now() const {
  return std::chrono::steady_clock::now();
}
WallTime EventLoop::wall() const {
  return std::chrono::system_clock::now();
}

std::unique_ptr<Timer> EventLoop::make_timer(std::function<void()> on_fire) {
  return std::make_unique<LoopTimer>(base_.get(), std::move(on_fire));
}

void EventLoop::run() {
  stopping_ = false;
  while (!stopping_) {
    run_deferred();
    if (end_of_turn_) end_of_turn_();
    event_base_loop(base_.get(), EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
  }
  run_deferred();
  if (end_of_turn_) end_of_turn_();
}

void EventLoop::stop() {
  post([this] { stopping_ = true; });
}

void EventLoop::post(std::move_only_function<void()> work) {
  {
    const std::scoped_lock lock(mutex_);
    posted_.push_back(std::move(work));
    if (posted_.size() > 1) return;  // whoever posted the first one has woken the loop
  }
  const std::uint64_t one = 1;
  // Can only fail by overflow, and then the loop is woken already.
  [[maybe_unused]] const ssize_t written = ::write(wakeup_.get(), &one, sizeof one);
}

void EventLoop::run_posted() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = ::read(wakeup_.get(), &count, sizeof count);
  std::vector<std::move_only_function<void()>> work;
  {
    const std::scoped_lock lock(mutex_);
    work.swap(posted_);
  }
  for (auto& each : work) each();
}

void EventLoop::run_deferred() {
  while (!deferred_.empty()) {
    auto work = std::exchange(deferred_, {});
    for (auto& each : work) each();
  }
}

}  // namespace hangup::net
