// Making sockets. All are non-blocking and close-on-exec.
#pragma once

#include <hangup/base/address.h>
#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/net/fd.h>

namespace hangup::net {

struct ListenOptions {
  int backlog = 4096;
  bool reuse_port = false;  // several listeners at one address, one a thread; TCP only
  // TCP only, at least 2 s, in whole ones: an accepted socket whose peer answers nothing for so long, while
  // there is nothing on its way to it, fails with ETIMEDOUT. Zero for never.
  Duration dead_peer = Duration::zero();
};

// Binds and listens. A UNIX socket's path is replaced when it is a stale socket that nobody answers on. The
// error names the address and the reason.
Result<Fd> listen_on(const SocketAddress& address, const ListenOptions& options);

// What listen_on() sets of `dead_peer`, for connections that a listening socket accepts from now on. Nothing
// for UNIX sockets.
void set_dead_peer(int listening, Duration dead_peer);
// Makes a listening socket that somebody else has opened as listen_on() makes them, but for what has to be
// set before it is bound.
void prepare_listening(int listening, Duration dead_peer);

// The address that a socket is bound to, with the real port.
Result<SocketAddress> local_address(const Fd& socket);

struct ConnectError : Error {
  bool ours =
      false;  // this process or machine lacks what it takes, descriptors or memory: not the address's fault
};

// Starts to connect; the socket becomes writable when that is decided (Transport::take_error). TCP_NODELAY is
// set.
std::expected<Fd, ConnectError> start_connect(const SocketAddress& address);

// What every client's connection gets: TCP_NODELAY. Nothing for UNIX sockets.
void set_no_delay(int fd);

}  // namespace hangup::net
