// One thread's event loop: a libevent base without locks, its timers, and the way in from other threads.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <hangup/base/scheduler.h>
#include <hangup/net/fd.h>

struct event_base;
struct event;

namespace hangup::net {

// Threading: belongs to the thread that calls run(), except post() and stop(). Destroyed after everything
// that uses it.
class EventLoop final : public Scheduler {
 public:
  EventLoop();  // aborts when the kernel gives no epoll or eventfd: nothing can be done without
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Turns until stop(). May be called again.
  void run();
  // Any thread.
  void stop();
  // Runs `work` on the loop's thread, soon. Any thread. Work that is still waiting when the loop is destroyed
  // is not run.
  void post(std::move_only_function<void()> work);
  // Runs at the end of each turn, for what is better done once for many events. To be set before run().
  void at_end_of_turn(std::function<void()> hook) { end_of_turn_ = std::move(hook); }

  MonoTime now() const override;
  MonoTime recent() const override;
  WallTime wall() const override;

  // Somebody with something to send that may wait for the end of the turn of the loop.
  class Sender {
   public:
    virtual void send_now() = 0;
    // It waits to be called.
    bool is_due() const { return due_in_ != nullptr; }

   protected:
    ~Sender();

   private:
    friend class EventLoop;
    EventLoop* due_in_ = nullptr;
  };
  // Calls send_now() once at the end of this turn, after what was deferred until then. Many who wait for it
  // end the turn, so that none waits long. A peer that sleeps is woken by the first of what is sent to it,
  // which is much of what sending costs; sent together, the rest finds it awake.
  void send_soon(Sender& sender);

  std::unique_ptr<Timer> make_timer(std::function<void()> on_fire) override;
  void defer(std::move_only_function<void()> work) override { deferred_.push_back(std::move(work)); }

  // The thread's one buffer for reading from sockets. What a socket handler reads into it is good until that
  // handler returns; code that is called from there must not read into it.
  std::span<char> read_buffer() { return {read_buffer_.get(), read_buffer_size}; }
  static constexpr std::size_t read_buffer_size = 256 * 1024;

  // Strings to build in what is to be sent; the memory of those that are given back goes round.
  std::string take_buffer();
  void give_back(std::string buffer);

  // Activates the event in the next turn, after a look at the kernel. event_active() alone would do so in
  // this one, so that who asks for that in each of its calls would keep all others waiting for good.
  void activate_next_turn(event* event) { to_activate_.push_back(event); }
  // To be called before such an event is freed.
  void forget(event* event) { std::erase(to_activate_, event); }

  event_base* base() { return base_.get(); }

 private:
  struct BaseDeleter {
    void operator()(event_base* base) const;
  };
  class Alarm;
  class LoopTimer;
  std::unique_ptr<Alarm> take_alarm();
  void give_back(std::unique_ptr<Alarm> alarm);
  // What waits for the end of a turn.
  void end_turn();
  void run_senders();
  void run_deferred();
  void run_posted();

  std::unique_ptr<event_base, BaseDeleter> base_;
  std::unique_ptr<char[]> read_buffer_;
  std::vector<std::unique_ptr<Alarm>> spare_alarms_;
  std::vector<std::string> spare_buffers_;
  std::vector<Sender*> senders_;  // null: gone
  std::vector<Sender*> sending_;  // of them, being called
  std::vector<std::move_only_function<void()>> deferred_;
  std::vector<std::move_only_function<void()>> running_;  // of the deferred ones; keeps its memory
  std::function<void()> end_of_turn_;
  mutable OptionalTime recent_;  // when the clock was read in this turn
  std::vector<event*> to_activate_;
  bool stopping_ = false;

  Fd wakeup_;
  event* wakeup_event_ = nullptr;
  std::mutex mutex_;
  std::vector<std::move_only_function<void()>> posted_;  // guarded by mutex_
};

}  // namespace hangup::net
