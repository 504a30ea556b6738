// The admin pages' own small HTTP server, by evhttp, at an address of its own: who asks, how often and how
// slowly concerns no thread but its own, and a bounded number of descriptors.
//
// Threading: made and destroyed by one thread; handlers are called on the listener's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <hangup/base/address.h>
#include <hangup/base/error.h>
#include <hangup/base/scheduler.h>

namespace hangup::admin {

struct Request {
  std::map<std::string, std::string, std::less<>> query;
  std::string body;
};

struct Answer {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";  // a constant
};

// Carries work to the listener's thread. Holds on when the listener has gone: the work is dropped. Any
// thread.
class Desk {
 public:
  virtual ~Desk() = default;
  virtual void post(std::move_only_function<void()> work) = 0;
};

class HttpListener {
 public:
  // To be called once, on any thread, also when the listener has gone.
  using Reply = std::function<void(Answer)>;
  using Handler = std::function<void(const Request&, Reply)>;
  // By method, "GET", which stands for HEAD too.
  using Page = std::map<std::string, Handler, std::less<>>;

  // Listens; nobody is answered before start(). The error says why it can't.
  static Result<std::unique_ptr<HttpListener>> open(const SocketAddress& address);
  ~HttpListener();

  // With the real port, where the configuration has port 0.
  const SocketAddress& address() const;
  // For handlers, on the listener's thread.
  Scheduler& scheduler();
  std::shared_ptr<Desk> desk();

  // `pages` by their paths, "/ready".
  void start(std::map<std::string, Page, std::less<>> pages);
  // No handler is called any more when it returns, and no work of the desk's done.
  void stop();

 private:
  class Impl;
  explicit HttpListener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::admin
