// Sends deliveries over HTTP/1.1, by TLS where the URL says so, signed where the delivery says so, keeping
// connections to receivers for the next one.
#pragma once

#include "cleanup/credentials.h"
#include "cleanup/http_connection.h"
#include "cleanup/sender.h"

#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include <hangup/net/event_loop.h>
#include <hangup/net/resolver.h>
#include <hangup/net/tls.h>

namespace hangup::cleanup {

struct Url;

class HttpSender final : public Sender {
 public:
  HttpSender(net::EventLoop& loop, std::shared_ptr<const Credentials> credentials);
  ~HttpSender() override;

  void send(const Delivery& delivery, Done done) override;
  // By its address, and by what it may not share a connection for: TLS settings and networks of its own.
  Result<std::string> receiver_of(const Delivery& delivery) const override;
  // For attempts from now on, which use no connection that was made with earlier ones.
  void use(std::shared_ptr<const Credentials> credentials);

 private:
  class Attempt;
  struct Idle {
    std::unique_ptr<HttpConnection> connection;
    MonoTime since;
  };
  struct Receiver {
    std::list<Idle> idle;                // longest idle first
    std::shared_ptr<net::TlsPeer> peer;  // null without TLS
    bool outdated = false;               // made with earlier credentials: nothing is kept for it
    // Could not be connected to in time: the others of its name go first.
    std::optional<SocketAddress> silent;
  };

  void finish(Attempt& attempt, AttemptResult result);
  std::shared_ptr<Receiver> receiver(const std::string& name, const Delivery& delivery, const Url& url);
  std::unique_ptr<HttpConnection> take_idle(Receiver& receiver);
  void keep_idle(Receiver& receiver, std::unique_ptr<HttpConnection> connection);
  void drop_stale();

  net::EventLoop& loop_;
  net::Resolver resolver_;
  std::shared_ptr<const Credentials> credentials_;
  std::unordered_map<std::string, std::shared_ptr<Receiver>> receivers_;
  std::size_t idle_ = 0;   // connections, of all receivers
  bool sweeping_ = false;  // idle_timer_ is set
  std::unique_ptr<Timer> idle_timer_;
  std::unordered_set<std::shared_ptr<Attempt>> attempts_;
};

}  // namespace hangup::cleanup
