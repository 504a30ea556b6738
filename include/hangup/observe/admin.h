// The admin listener: what orchestrators and operators ask of the process, in JSON over HTTP, at an address
// of its own that is never one of the clients'.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <hangup/base/address.h>
#include <hangup/base/error.h>

namespace hangup::observe {

// Answers GET by evhttp, on a thread of its own, which a slow client of it does not leave. Made, and
// destroyed, by one thread.
class Admin {
 public:
  struct Answer {
    int status = 200;
    std::string body;  // JSON
  };
  // Called on the admin's thread.
  using Page = std::function<Answer()>;

  // `pages` by their paths, "/ready". The error says why it can't listen.
  static Result<std::unique_ptr<Admin>> open(const SocketAddress& address, std::map<std::string, Page> pages);
  ~Admin();

  // With the real port, where the configuration has port 0.
  const SocketAddress& address() const;

 private:
  class Impl;
  explicit Admin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::observe
