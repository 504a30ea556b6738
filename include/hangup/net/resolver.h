// Host names to addresses, without blocking the loop: DNS as /etc/resolv.conf says, and /etc/hosts.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/base/error.h>

struct evdns_base;

namespace hangup::net {

class EventLoop;

struct LookupError : Error {
  bool ours = false;  // this process or machine lacks what it takes, descriptors or memory
};

// Reads the system's files when it is opened. Nothing is cached.
// Threading: belongs to the loop's thread; destroyed when the loop does not run, or from it.
class Resolver {
 public:
  // At least one address on success, to be tried in this order.
  using Addresses = std::expected<std::vector<SocketAddress>, LookupError>;
  using Done = std::move_only_function<void(Addresses)>;

  // One question. Destroying it, also from inside `done`, drops it.
  class Lookup {
   public:
    virtual ~Lookup() = default;
  };

  explicit Resolver(EventLoop& loop) : loop_(loop) {}
  // Asks this server ("127.0.0.1:5353") only.
  Resolver(EventLoop& loop, std::string server) : loop_(loop), server_(std::move(server)) {}
  ~Resolver();  // REQUIRES: every Lookup is gone
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Makes ready for names. The first name does that too, but by then all descriptors may be in use. False: it
  // can't now; the next name tries again.
  bool open();

  // `host` is a name, or a number (without brackets), which needs no server and opens none. `done` is never
  // called from inside. Gives up by itself after some seconds, as resolv.conf says.
  std::unique_ptr<Lookup> resolve(const std::string& host, std::uint16_t port, Done done);

 private:
  class Query;
  bool start();

  EventLoop& loop_;
  std::string server_;
  evdns_base* dns_ = nullptr;
  int unanswered_ = 0;  // that libevent still holds, dropped ones too
};

}  // namespace hangup::net
