#include <event2/event.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <hangup/net/event_loop.h>

namespace hangup::net {
namespace {

// Alarms kept for the timers to come; what a storm has left over is freed.
constexpr std::size_t most_spare_alarms = 1024;
// A few: in one turn of the loop hardly more are written to that are not sent in the same call.
constexpr std::size_t most_spare_buffers = 16;
constexpr std::size_t most_buffer_bytes = 16 * 1024;
// So many who wait for it end a turn.
constexpr std::size_t most_senders = 128;

}  // namespace

// A deadline on libevent's heap, which a timer has while it is set. Moving it later, or giving it back,
// leaves the event where it is: when that fires too early, it is set again, or is nobody's. So who takes one
// that another timer had, as a rule finds it armed for some time before the own deadline, and touches the
// heap not at all.
class EventLoop::Alarm {
 public:
  explicit Alarm(EventLoop& loop) : loop_(loop), event_(event_new(loop.base(), -1, 0, &Alarm::fired, this)) {
    if (event_ == nullptr) std::abort();
  }
  ~Alarm() {
    loop_.forget(event_);
    event_free(event_);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  void set(LoopTimer& owner, MonoTime when) {
    owner_ = &owner;
    wanted_ = when;
    if (!armed_ || when < *armed_) arm();
  }
  void release() { owner_ = nullptr; }

 private:
  void arm() {
    using namespace std::chrono;
    armed_ = wanted_;
    const auto now = steady_clock::now();
    // libevent would sleep for a millisecond or two before what is due now.
    if (wanted_ <= now) return loop_.activate_next_turn(event_);
    const auto left = duration_cast<microseconds>(wanted_ - now) +
                      microseconds(1);  // rounded up, so that it does not fire just before its time
    const timeval after{static_cast<time_t>(left.count() / 1'000'000),
                        static_cast<suseconds_t>(left.count() % 1'000'000)};
    event_add(event_, &after);
  }
  static void fired(evutil_socket_t, short, void* self);

  EventLoop& loop_;
  event* event_;
  LoopTimer* owner_ = nullptr;
  MonoTime wanted_;     // while it has an owner
  OptionalTime armed_;  // not later than wanted_
};

class EventLoop::LoopTimer final : public Timer {
 public:
  LoopTimer(EventLoop& loop, std::function<void()> on_fire) : loop_(loop), on_fire_(std::move(on_fire)) {}
  ~LoopTimer() override { cancel(); }

  void set(MonoTime when) override {
    if (!alarm_) alarm_ = loop_.take_alarm();
    alarm_->set(*this, when);
  }
  void cancel() override {
    if (!alarm_) return;
    alarm_->release();
    loop_.give_back(std::move(alarm_));
  }
  void fire() {
    cancel();
    const auto on_fire = on_fire_;  // the timer may go while it runs
    on_fire();
  }

 private:
  EventLoop& loop_;
  std::function<void()> on_fire_;
  std::unique_ptr<Alarm> alarm_;  // while it is set
};

void EventLoop::Alarm::fired(evutil_socket_t, short, void* self) {
  auto* alarm = static_cast<Alarm*>(self);
  alarm->armed_.reset();
  if (alarm->owner_ == nullptr) return;
  if (std::chrono::steady_clock::now() < alarm->wanted_) return alarm->arm();
  alarm->owner_->fire();
}

std::unique_ptr<EventLoop::Alarm> EventLoop::take_alarm() {
  if (spare_alarms_.empty()) return std::make_unique<Alarm>(*this);
  auto alarm = std::move(spare_alarms_.back());
  spare_alarms_.pop_back();
  return alarm;
}

void EventLoop::give_back(std::unique_ptr<Alarm> alarm) {
  if (spare_alarms_.size() < most_spare_alarms) spare_alarms_.push_back(std::move(alarm));
}

void EventLoop::BaseDeleter::operator()(event_base* base) const {
  event_base_free(base);
}

EventLoop::EventLoop() : read_buffer_(std::make_unique_for_overwrite<char[]>(read_buffer_size)) {
  // What it would use anyway, but for calloc(), which in glibc goes past the thread's cache: evhttp calls it
  // six times for each request.
  event_set_mem_functions(&std::malloc, &std::realloc, &std::free);
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
  spare_alarms_.clear();
  event_free(wakeup_event_);
}

MonoTime EventLoop::now() const {
  return std::chrono::steady_clock::now();
}
MonoTime EventLoop::recent() const {
  if (!recent_) recent_ = now();
  return *recent_;
}
WallTime EventLoop::wall() const {
  return std::chrono::system_clock::now();
}

std::string EventLoop::take_buffer() {
  if (spare_buffers_.empty()) return {};
  std::string buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

void EventLoop::give_back(std::string buffer) {
  if (spare_buffers_.size() == most_spare_buffers || buffer.capacity() > most_buffer_bytes) return;
  buffer.clear();
  spare_buffers_.push_back(std::move(buffer));
}

std::unique_ptr<Timer> EventLoop::make_timer(std::function<void()> on_fire) {
  return std::make_unique<LoopTimer>(*this, std::move(on_fire));
}

void EventLoop::run() {
  stopping_ = false;
  while (!stopping_) {
    end_turn();
    for (event* each : to_activate_) event_active(each, 0, 1);
    to_activate_.clear();
    event_base_loop(base_.get(), EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
  }
  end_turn();
}

void EventLoop::end_turn() {
  while (!senders_.empty() || !deferred_.empty()) {
    run_deferred();
    run_senders();
  }
  if (end_of_turn_) end_of_turn_();
  recent_.reset();
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

EventLoop::Sender::~Sender() {
  if (due_in_ == nullptr) return;
  std::ranges::replace(due_in_->senders_, this, nullptr);
  std::ranges::replace(due_in_->sending_, this, nullptr);
}

void EventLoop::send_soon(Sender& sender) {
  if (sender.is_due()) return;
  sender.due_in_ = this;
  senders_.push_back(&sender);
  // The events that are left are the next turn's.
  if (senders_.size() == most_senders) event_base_loopbreak(base_.get());
}

void EventLoop::run_senders() {
  sending_.swap(senders_);
  for (Sender* each : sending_) {
    if (each == nullptr) continue;
    each->due_in_ = nullptr;
    each->send_now();
  }
  sending_.clear();
}

void EventLoop::run_deferred() {
  running_.swap(deferred_);
  for (auto& each : running_) each();
  running_.clear();
}

}  // namespace hangup::net
