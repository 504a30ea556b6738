// A worker's side of one listener: accepts clients, reads their requests, and hands them on as ClientStreams.
//
// A connection first arrives, if there is anything to that: its PROXY header is read and the TLS handshake
// done. HTTP/1 by libevent's evhttp with its socket taken over: evhttp accepts, owns connection and request
// objects, dispatches and keeps alive; the bytes of the socket are ours.
#pragma once

#include <spdlog/fwd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <hangup/base/counts.h>
#include <hangup/base/error.h>
#include <hangup/config/config.h>
#include <hangup/downstream/client_stream.h>
#include <hangup/downstream/connection_limits.h>
#include <hangup/net/fd.h>

namespace hangup::net {
class EventLoop;
class TlsServer;
}  // namespace hangup::net

namespace hangup::downstream {

// How often something has happened that nobody has told of yet, and whether somebody will.
struct Tally {
  std::atomic<std::uint64_t> times = 0;
  std::atomic<bool> told = false;
};

// What became of the connections of one worker to a listener.
struct ConnectionCounts {
  Count accepted;
  // Of them, closed again before they could carry a request.
  Count refused_full;     // the listener has as many as it may
  Count refused_client;   // their client has
  Count refused_arrival;  // they got no further than the PROXY header or TLS handshake
};

// What the front ends of one listener, one a worker, share. Outlives them. It stays when the configuration of
// its address changes.
struct SharedListener {
  // `connections`: how many it may have; `log`: for people.
  SharedListener(const config::Listener& listener, std::size_t connections, spdlog::logger& people)
      : limits(listener.connections, connections), log(people) {}

  ConnectionLimits limits;
  spdlog::logger& log;
  Tally full, client_full, accept_failed;
  PerThread<ConnectionCounts> counts;
};

// What a front end works by.
struct Terms {
  std::shared_ptr<const config::Listener> listener;
  std::shared_ptr<const net::TlsServer> tls;  // null unless the listener says tls
  RequestSink& sink;                          // outlives its being used
};

// Threading: belongs to its loop's thread.
class FrontEnd {
 public:
  virtual ~FrontEnd() = default;  // closes every connection; their observers hear nothing
  // Takes up another configuration of its address: for connections that are accepted from now on, and for the
  // next request of those that are open. An exchange in flight keeps what it began with.
  virtual void use(Terms terms) = 0;
  // Requests go to another sink from now on.
  virtual void use(RequestSink& sink) = 0;
  // Stops accepting, closes idle connections, and the others after the answer they are giving. One that has
  // not carried a request yet is given a second for it: its client does not expect that nobody answers. So
  // are those that the kernel has let connect: the listening socket is closed when none of them waits any
  // more.
  virtual void drain() = 0;
  // Open ones, those that arrive included, and one more while it still accepts though it drains.
  virtual std::size_t connections() const = 0;
  // Of them, those whose request is not whole or has not come yet, while it drains.
  virtual std::size_t awaited() const = 0;
};

// What ALPN is to be offered: the protocols that front ends speak.
std::vector<std::string> protocols();

// Takes over a listening socket. `shared` outlives the front end.
std::unique_ptr<FrontEnd> make_front_end(net::EventLoop& loop, net::Fd listening, SharedListener& shared,
                                         Terms terms);

// Sends one request through a front end of its own on loopback. An error means that the libevent found at run
// time does not behave as the take-over of its sockets needs, and that hangup must not start.
Result<void> self_test();

}  // namespace hangup::downstream
