// Keeps a listener from spinning when accept() fails, most often because there are no descriptors left: the
// connection that waits would wake the loop again and again. It rests a moment and tries again. And lets it
// pause for other reasons.
//
// The listener may belong to somebody else, as evhttp's do: libevent has no way to find ours from there.
//
// Threading: belongs to its loop's thread.
#pragma once

#include <functional>
#include <memory>

#include <hangup/net/event_loop.h>

struct evconnlistener;

namespace hangup::net {

class Accepting {
 public:
  // `listener` outlives it, or its stop(). `on_error` gets the errno; null for nobody.
  Accepting(EventLoop& loop, evconnlistener* listener, std::function<void(int error)> on_error = nullptr);
  ~Accepting();
  Accepting(const Accepting&) = delete;
  Accepting& operator=(const Accepting&) = delete;

  // Those who connect meanwhile wait in the kernel's queue.
  void pause();
  void resume();
  // The listener goes: it is not touched any more.
  void stop();

 private:
  static void on_accept_error(evconnlistener* listener, void* data);

  EventLoop& loop_;
  evconnlistener* listener_;
  std::function<void(int error)> on_error_;
  std::unique_ptr<Timer> again_;
  bool paused_ = false;
};

}  // namespace hangup::net
