#include "support/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <stdexcept>
#include <system_error>

namespace hangup::test {
namespace {

void set_option(const Fd& socket, int level, int option, int value) {
  if (::setsockopt(socket.get(), level, option, &value, sizeof value) != 0) throw_errno("setsockopt");
}

Fd make_socket(const SocketAddress& where, const BufferSizes& buffers) {
  Fd socket(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw_errno("socket");
  if (buffers.receive != 0) set_option(socket, SOL_SOCKET, SO_RCVBUF, buffers.receive);
  if (buffers.send != 0) set_option(socket, SOL_SOCKET, SO_SNDBUF, buffers.send);
  if (!where.is_unix()) set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  return socket;
}

void set_nonblocking(const Fd& socket) {
  if (::fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0) throw_errno("fcntl");
}

}  // namespace

void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void Fd::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

SocketAddress address(std::string_view text) {
  auto parsed = SocketAddress::parse(text);
  if (!parsed) throw std::invalid_argument(parsed.error().message);
  return *parsed;
}

Fd listen_on(const SocketAddress& where, int backlog, const BufferSizes& buffers) {
  Fd socket = make_socket(where, buffers);
  if (!where.is_unix()) set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(socket.get(), where.data(), where.size()) != 0) throw_errno("bind " + where.to_string());
  if (::listen(socket.get(), backlog) != 0) throw_errno("listen on " + where.to_string());
  set_nonblocking(socket);
  return socket;
}

Fd connect_to(const SocketAddress& where, const BufferSizes& buffers) {
  Fd socket = make_socket(where, buffers);
  if (::connect(socket.get(), where.data(), where.size()) != 0)
    throw_errno("connect to " + where.to_string());
  set_nonblocking(socket);
  return socket;
}

Fd connect_from(const SocketAddress& source, const SocketAddress& where) {
  Fd socket = make_socket(where, {});
  if (::bind(socket.get(), source.data(), source.size()) != 0) throw_errno("bind " + source.to_string());
  if (::connect(socket.get(), where.data(), where.size()) != 0)
    throw_errno("connect to " + where.to_string());
  set_nonblocking(socket);
  return socket;
}

SocketAddress local_address(const Fd& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    throw_errno("getsockname");
  return {reinterpret_cast<const sockaddr*>(&storage), size};
}

void close_with_reset(Fd& socket) {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort) != 0) throw_errno("SO_LINGER");
  socket.close();
}

int take_error(const Fd& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) throw_errno("SO_ERROR");
  return error;
}

void raise_descriptor_limit() {
  static std::once_flag once;
  std::call_once(once, [] {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("setrlimit");
  });
}

RefusingPort::RefusingPort() : socket_(make_socket(address("127.0.0.1:0"), {})) {
  const SocketAddress where = address("127.0.0.1:0");
  if (::bind(socket_.get(), where.data(), where.size()) != 0) throw_errno("bind");
}

// A backlog of 0 still holds one connection that was never accepted; the kernel drops the SYN of any other.
SilentPort::SilentPort() : listener_(listen_on(address("127.0.0.1:0"), 0)), filler_(connect_to(where())) {}

}  // namespace hangup::test
