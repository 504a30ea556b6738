// Sends deliveries over HTTP/1.1, keeping connections to receivers for the next one.
#pragma once

#include "cleanup/http_connection.h"
#include "cleanup/sender.h"

#include <list>
#include <memory>
#include <string>
#include <unordered_set>

#include <hangup/net/event_loop.h>
#include <hangup/net/resolver.h>

namespace hangup::cleanup {

class HttpSender final : public Sender {
 public:
  explicit HttpSender(net::EventLoop& loop);
  ~HttpSender() override;

  void send(const Delivery& delivery, Done done) override;

 private:
  class Attempt;
  struct Idle {
    std::string receiver;
    std::unique_ptr<HttpConnection> connection;
    MonoTime since;
  };

  void finish(Attempt& attempt, AttemptResult result);
  std::unique_ptr<HttpConnection> take_idle(const std::string& receiver);
  void keep_idle(const std::string& receiver, std::unique_ptr<HttpConnection> connection);
  void drop_idle(const HttpConnection* connection);
  void drop_stale();

  net::EventLoop& loop_;
  net::Resolver resolver_;
  std::list<Idle> idle_;  // longest idle first; few
  std::unique_ptr<Timer> idle_timer_;
  std::unordered_set<std::shared_ptr<Attempt>> attempts_;
};

}  // namespace hangup::cleanup
