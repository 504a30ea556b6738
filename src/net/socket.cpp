#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include <hangup/net/socket.h>

namespace hangup::net {
namespace {

Error failed(const char* what, const SocketAddress& address, int error) {
  return {std::string("cannot ") + what + " " + address.to_string() + ": " + std::strerror(error)};
}

// What to do about it, where that can be told.
const char* advice_on_listening(const SocketAddress& address, int error) {
  switch (error) {
    case EADDRINUSE:
      return address.is_unix() ? "; another process listens there, or it is a file and no socket: remove that"
                               : "; another socket listens there: `ss -ltnp` says whose";
    case EACCES:
      return address.is_unix() ? "" : "; a port below 1024 needs CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
      return "; no interface of this machine has this address";
    default:
      return "";
  }
}

Fd open_socket(int family) {
  return Fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

void set_number(int fd, int level, int option, int number) {
  ::setsockopt(fd, level, option, &number, sizeof number);
}

void set_flag(int fd, int level, int option) {
  set_number(fd, level, option, 1);
}

// The first question after half of the time, and up to three in the other half.
void keep_alive(int fd, Duration dead_peer) {
  const auto total = static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(dead_peer).count());
  const int idle = std::max(1, total / 2);
  const int interval = std::max(1, (total - idle) / 3);
  set_flag(fd, SOL_SOCKET, SO_KEEPALIVE);
  set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
  set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval);
  set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, std::clamp((total - idle) / interval, 1, 3));
}

// Takes away what a process that died left at the path; leaves anything else, and a socket that is in use.
void remove_stale_socket(const SocketAddress& address) {
  const auto* path = reinterpret_cast<const sockaddr_un*>(address.data())->sun_path;
  struct stat status{};
  if (::lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const Fd probe = open_socket(AF_UNIX);
  if (::connect(probe.get(), address.data(), address.size()) != 0 && errno == ECONNREFUSED) ::unlink(path);
}

}  // namespace

Result<Fd> listen_on(const SocketAddress& address, const ListenOptions& options) {
  Fd socket = open_socket(address.family());
  if (!socket) return std::unexpected(failed("make a socket for", address, errno));
  if (address.is_unix()) {
    remove_stale_socket(address);
  } else {
    set_flag(socket.get(), SOL_SOCKET, SO_REUSEADDR);
    if (options.reuse_port) set_flag(socket.get(), SOL_SOCKET, SO_REUSEPORT);
    if (address.family() == AF_INET6) set_flag(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY);
    // Accepted sockets inherit these.
    set_flag(socket.get(), IPPROTO_TCP, TCP_NODELAY);
    if (options.dead_peer > Duration::zero()) keep_alive(socket.get(), options.dead_peer);
  }
  if (::bind(socket.get(), address.data(), address.size()) != 0 ||
      ::listen(socket.get(), options.backlog) != 0) {
    const int error = errno;
    Error refusal = failed("listen on", address, error);
    refusal.message += advice_on_listening(address, error);
    return std::unexpected(std::move(refusal));
  }
  return socket;
}

void set_dead_peer(int listening, Duration dead_peer) {
  int family = 0;
  socklen_t size = sizeof family;
  if (::getsockopt(listening, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0 || family == AF_UNIX) return;
  keep_alive(listening, dead_peer);
}

void prepare_listening(int listening, Duration dead_peer) {
  ::fcntl(listening, F_SETFL, ::fcntl(listening, F_GETFL) | O_NONBLOCK);
  set_no_delay(listening);
  set_dead_peer(listening, dead_peer);
}

Result<SocketAddress> local_address(const Fd& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return std::unexpected(Error{std::string("cannot read a socket's address: ") + std::strerror(errno)});
  }
  return SocketAddress(reinterpret_cast<const sockaddr*>(&storage), size);
}

std::expected<Fd, ConnectError> start_connect(const SocketAddress& address) {
  const auto failure = [&address](const char* what, int error) {
    const bool ours = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
    return std::unexpected(ConnectError{failed(what, address, error), ours});
  };
  Fd socket = open_socket(address.family());
  if (!socket) return failure("make a socket for", errno);
  if (!address.is_unix()) set_no_delay(socket.get());
  if (::connect(socket.get(), address.data(), address.size()) != 0 && errno != EINPROGRESS) {
    return failure("connect to", errno);
  }
  return socket;
}

void set_no_delay(int fd) {
  set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
}

}  // namespace hangup::net
