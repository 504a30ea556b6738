#include "app/sockets.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <hangup/net/socket.h>

namespace hangup::app {
namespace {

using ListeningSockets = std::vector<net::Fd>;

Result<ListeningSockets> copies(net::Fd first, std::size_t count) {
  ListeningSockets sockets;
  sockets.push_back(std::move(first));
  while (sockets.size() < count) {
    sockets.emplace_back(::fcntl(sockets.front().get(), F_DUPFD_CLOEXEC, 0));
    if (!sockets.back())
      return std::unexpected(Error{std::string("cannot copy a descriptor: ") + std::strerror(errno)});
  }
  return sockets;
}

}  // namespace

Result<ListeningSockets> open_sockets(const config::Listener& listener, std::size_t count,
                                      const InheritedSockets& inherited) {
  if (!listener.inherited.empty()) {
    auto socket = inherited.copy(listener.inherited);
    if (!socket) return std::unexpected(std::move(socket.error()));
    net::prepare_listening(socket->get(), listener.dead_peer);
    return copies(std::move(*socket), count);
  }
  SocketAddress address = listener.address;
  if (address.is_unix()) {
    auto socket = net::listen_on(address, {});
    if (!socket) return std::unexpected(std::move(socket.error()));
    return copies(std::move(*socket), count);
  }
  if (address.port() != 0) {
    // With SO_REUSEPORT, a second hangup would listen beside the first in silence.
    auto probe = net::listen_on(address, {.backlog = 0});
    if (!probe) return std::unexpected(std::move(probe.error()));
  }
  ListeningSockets sockets;
  while (sockets.size() < count) {
    auto socket = net::listen_on(address, {.reuse_port = count > 1, .dead_peer = listener.dead_peer});
    if (!socket) return std::unexpected(std::move(socket.error()));
    const auto bound = net::local_address(*socket);
    if (!bound) return std::unexpected(bound.error());
    address = *bound;  // port 0 is the same for all
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

}  // namespace hangup::app
