// Connections that there is no place for: each gets a 503 without waiting for its request, and is closed in a
// way that no reset overtakes the answer.
//
// Threading: belongs to its loop's thread.
#pragma once

#include "downstream/evhttp_server.h"

#include <list>
#include <memory>
#include <string_view>

#include <hangup/downstream/connection_limits.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/fd.h>

namespace hangup::downstream {

class Refusals {
 public:
  Refusals(net::EventLoop& loop, ConnectionLimits& limits);
  ~Refusals();  // closes those that are left
  Refusals(const Refusals&) = delete;
  Refusals& operator=(const Refusals&) = delete;

  // `why` is for the client. The few that may (ConnectionLimits::most_refusals) stay until the client has
  // closed, for two seconds at most; what others have sent by now is read, and they are closed at once.
  void refuse(std::unique_ptr<EvhttpSeat> seat, net::Fd socket, std::string_view why);

 private:
  class Connection;
  void remove(std::list<std::unique_ptr<Connection>>::iterator connection);

  net::EventLoop& loop_;
  ConnectionLimits& limits_;
  std::list<std::unique_ptr<Connection>> connections_;
};

}  // namespace hangup::downstream
