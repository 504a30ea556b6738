// Decides what becomes of the connections that one worker accepts: whether there is a place for each, and
// what is done with those for which there is none. They wait, if the listener says so: one that was accepted
// is held, unread, and no more are accepted until a place is free. Or they are refused: with a 503, unless
// the port speaks TLS, in which nothing can be said yet.
//
// Threading: belongs to its loop's thread.
#pragma once

#include "downstream/evhttp_server.h"
#include "downstream/refusals.h"
#include "downstream/repetition.h"

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include <hangup/downstream/front_end.h>
#include <hangup/net/event_loop.h>

namespace hangup::downstream {

class Admission {
 public:
  // A connection that is being admitted, and its place, which may be empty.
  struct Newcomer {
    net::Fd socket;
    std::unique_ptr<EvhttpSeat> seat;  // goes before the socket
    SocketAddress peer;
    ConnectionPlace place;
  };
  class Host {
   public:
    virtual void pause_accepting() = 0;
    virtual void resume_accepting() = 0;
    // A connection that was held has a place now.
    virtual void on_admitted(Newcomer newcomer) = 0;
    virtual const std::shared_ptr<const config::Listener>& listener() const = 0;

   protected:
    ~Host() = default;
  };

  Admission(net::EventLoop& loop, SharedListener& shared, Host& host);
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // For a connection that is being accepted. Empty when there is none; accepting may be paused then.
  ConnectionPlace place();
  // Takes a connection that has got no place.
  void hold_or_refuse(Newcomer newcomer);
  // Whether the client whose connection it is, may have it. Otherwise it is taken and refused.
  bool admit_client(Newcomer& newcomer);
  // The two halves of it, for a client that becomes known after its connection has got its place.
  bool name_client(ConnectionPlace& place, const SocketAddress& client);
  void refuse_client(Newcomer newcomer);
  // Accepting has failed, with this errno.
  void on_accept_error(int error);
  ConnectionCounts& counts() { return counts_; }
  // Whether there are connections that wait for a place.
  bool holds_some() const { return !held_.empty(); }
  // Closes them, and those that come from now on.
  void drain();

 private:
  void refuse(Newcomer newcomer, std::string_view why);
  ConnectionPlace wait_for_place();
  void admit_held();

  net::EventLoop& loop_;
  SharedListener& shared_;
  ConnectionCounts& counts_;
  Host& host_;
  ConnectionLimits::Waiter waiter_;
  bool waiting_ = false;  // will be woken; accepting is paused
  bool draining_ = false;
  std::deque<Newcomer> held_;  // without a place
  Refusals refusals_;
  std::string refused_client_;  // the last one
  int accept_error_ = 0;        // the last one
  Repetition full_, client_full_, accept_failed_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // for wake-ups that arrive too late
};

}  // namespace hangup::downstream
