#include <event2/listener.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include <hangup/net/accepting.h>

namespace hangup::net {
namespace {

constexpr auto accept_rest = std::chrono::milliseconds(100);

// The callback for errors of accept gets the pointer of whoever owns the listener: this is the way from there
// to us, gone only when accept() has failed.
struct Registry {
  std::mutex mutex;
  std::map<const evconnlistener*, Accepting*> by_listener;  // guarded by mutex
};

Registry& registry() {
  static Registry all;
  return all;
}

}  // namespace

Accepting::Accepting(EventLoop& loop, evconnlistener* listener, std::function<void(int error)> on_error)
    : loop_(loop), listener_(listener), on_error_(std::move(on_error)), again_(loop.make_timer([this] {
        if (!paused_) evconnlistener_enable(listener_);
      })) {
  {
    const std::scoped_lock lock(registry().mutex);
    registry().by_listener[listener_] = this;
  }
  evconnlistener_set_error_cb(listener_, &Accepting::on_accept_error);
}

Accepting::~Accepting() {
  stop();
}

void Accepting::pause() {
  paused_ = true;
  if (listener_ != nullptr) evconnlistener_disable(listener_);
}

void Accepting::resume() {
  paused_ = false;
  if (listener_ != nullptr) evconnlistener_enable(listener_);
}

void Accepting::stop() {
  again_->cancel();
  if (listener_ == nullptr) return;
  const std::scoped_lock lock(registry().mutex);
  registry().by_listener.erase(std::exchange(listener_, nullptr));
}

void Accepting::on_accept_error(evconnlistener* listener, void*) {
  const int error = errno;
  evconnlistener_disable(listener);
  Accepting* self = nullptr;
  {
    const std::scoped_lock lock(registry().mutex);
    self = registry().by_listener.at(listener);
  }
  self->again_->set(self->loop_.now() + accept_rest);
  if (self->on_error_) self->on_error_(error);
}

}  // namespace hangup::net
