#include <event2/event.h>
#include <linux/sockios.h>
#include <linux/tcp.h>  // glibc's ends before tcpi_bytes_acked
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <hangup/net/event_loop.h>
#include <hangup/net/tls.h>
#include <hangup/net/transport.h>

namespace hangup::net {
namespace {

IoResult failed(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK) return {IoResult::Status::would_block, 0, 0};
  return {IoResult::Status::failed, 0, error};
}

tcp_info tcp_info_of(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
  return info;
}

}  // namespace

Transport::Transport(EventLoop& loop, Fd socket, Handler& handler)
    : loop_(&loop), socket_(std::move(socket)), handler_(&handler) {
  event_ = event_new(
      loop.base(), socket_.get(), EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
      [](evutil_socket_t, short what, void* self) {
        auto* transport = static_cast<Transport*>(self);
        // libevent reports an EPOLLERR as readable and writable.
        const Readiness ready{.readable = (what & EV_READ) != 0,
                              .writable = (what & EV_WRITE) != 0,
                              .fin = (what & EV_CLOSED) != 0};
        transport->handler_->on_ready(transport->tls_ ? transport->tls_->translate(ready) : ready);
      },
      this);
  if (event_ == nullptr) std::abort();
  if (event_add(event_, nullptr) == 0) return;
  unwatched_ = errno != 0 ? errno : ENOMEM;  // the kernel's room for watched sockets is used up
  event_active(event_, EV_READ | EV_WRITE, 1);
}

Transport::~Transport() {
  close();
}

void Transport::close() {
  if (tls_) tls_->say_goodbye();
  tls_.reset();
  unwatch();
  socket_.reset();
}

void Transport::unwatch() {
  if (event_ == nullptr) return;
  loop_->forget(event_);
  event_free(std::exchange(event_, nullptr));
}

void Transport::start_tls(std::unique_ptr<TlsConnection> tls) {
  tls_ = std::move(tls);
  tls_->attach(socket_.get());
}

IoResult Transport::handshake() {
  if (unwatched_ != 0) return failed(unwatched_);
  return tls_->handshake();
}

std::string Transport::explain(int error) const {
  return tls_ && !tls_->failure().empty() ? tls_->failure() : std::strerror(error);
}

IoResult Transport::read(std::span<char> into) {
  if (unwatched_ != 0) return failed(unwatched_);
  if (tls_) return tls_->read(into);
  for (;;) {
    const ssize_t count = ::recv(socket_.get(), into.data(), into.size(), 0);
    const auto bytes = static_cast<std::size_t>(count);
    if (count > 0) return {.bytes = bytes, .more = bytes == into.size()};
    if (count == 0) return {IoResult::Status::end, 0, 0};
    if (errno != EINTR) return failed(errno);
  }
}

IoResult Transport::write(std::span<const iovec> pieces) {
  if (unwatched_ != 0) return failed(unwatched_);
  if (tls_) return tls_->write(pieces);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  for (;;) {
    const ssize_t count = pieces.size() == 1
                              ? ::send(socket_.get(), pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL)
                              : ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (count >= 0) {
      written_ += static_cast<std::uint64_t>(count);
      return {IoResult::Status::ok, static_cast<std::size_t>(count), 0};
    }
    if (errno != EINTR) return failed(errno);
  }
}

bool Transport::is_unix() const {
  int domain = 0;
  socklen_t size = sizeof domain;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size);
  return domain == AF_UNIX;
}

PeerState Transport::peer_state() const {
  if (unwatched_ != 0) return PeerState::gone;
  pollfd query{socket_.get(), POLLRDHUP, 0};
  if (::poll(&query, 1, 0) <= 0) return PeerState::open;
  if ((query.revents & (POLLERR | POLLHUP)) != 0) return PeerState::gone;
  return (query.revents & POLLRDHUP) != 0 ? PeerState::half_closed : PeerState::open;
}

Unacknowledged Transport::unacknowledged() const {
  int bytes = 0;
  int unsent = 0;
  ::ioctl(socket_.get(), SIOCOUTQ, &bytes);
  ::ioctl(socket_.get(), SIOCOUTQNSD, &unsent);
  return {static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(unsent)};
}

std::uint64_t Transport::acknowledged() const {
  return is_unix() ? written_ - unacknowledged().bytes : tcp_info_of(socket_.get()).tcpi_bytes_acked;
}

Duration Transport::round_trip() const {
  return std::chrono::microseconds(tcp_info_of(socket_.get()).tcpi_rtt);
}

bool Transport::peer_silent_for(Duration limit) const {
  const tcp_info info = tcp_info_of(socket_.get());
  const bool unanswered = info.tcpi_retransmits > 0 || info.tcpi_probes > 0;
  return unanswered && std::chrono::milliseconds(info.tcpi_last_ack_recv) >= limit;
}

int Transport::take_error() {
  if (unwatched_ != 0) return unwatched_;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

void Transport::poke() {
  loop_->activate_next_turn(event_);
}

void Transport::shutdown_write() {
  if (tls_) tls_->say_goodbye();
  ::shutdown(socket_.get(), SHUT_WR);
}

void Transport::forgo_goodbye() {
  if (tls_) tls_->say_nothing();
}

void Transport::reset() {
  forgo_goodbye();
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  ::connect(socket_.get(), &nowhere, sizeof nowhere);
}

Fd Transport::release() {
  if (tls_) tls_->say_goodbye();
  tls_.reset();
  unwatch();
  return std::move(socket_);
}

}  // namespace hangup::net
