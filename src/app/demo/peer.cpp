#include "app/demo/peer.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace hangup::app::demo {
namespace {

constexpr Duration forever = std::chrono::hours(24);
constexpr std::size_t body_limit = 1024 * 1024;

}  // namespace

StopSign::StopSign() : event_(eventfd(0, EFD_CLOEXEC)) {
  if (!event_) throw std::system_error(errno, std::generic_category(), "eventfd");
}

void StopSign::raise() {
  const std::uint64_t one = 1;
  // Never read, so never full: the write can't fail.
  static_cast<void>(!::write(event_.get(), &one, sizeof one));
}

Result<Peer> Peer::connect(const SocketAddress& address, const StopSign& stop) {
  net::Fd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), address.data(), address.size()) != 0) {
    return std::unexpected(Error{
        fmt::format("can't connect to {}: {}", address.to_string(), std::generic_category().message(errno))});
  }
  return Peer(std::move(socket), stop);
}

Peer::Wait Peer::wait(short events, Duration patience) {
  const MonoTime deadline = std::chrono::steady_clock::now() + patience;
  std::array<pollfd, 2> fds{pollfd{socket_.get(), events, 0}, pollfd{stop_->fd(), POLLIN, 0}};
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const int ready = ::poll(fds.data(), fds.size(), left.count() > 0 ? static_cast<int>(left.count()) : 0);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Wait::timeout;
    if (fds[1].revents != 0) return Wait::stopped;
    return (fds[0].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0 ? Wait::closed : Wait::ready;
  }
}

bool Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const Wait waited = wait(POLLOUT, forever);
    if (waited == Wait::stopped || waited == Wait::timeout) return false;
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Peer::receive(std::string& received, Duration patience) {
  const Wait waited = wait(POLLIN, patience);
  if (waited == Wait::stopped || waited == Wait::timeout) return false;
  std::array<char, 16 * 1024> buffer;
  const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  received.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

Peer::Wait Peer::wait_for_close(Duration patience) {
  return wait(POLLRDHUP, patience);
}

std::optional<Peer::Request> Peer::read_request() {
  http::RequestHeadParser parser{http::HeadLimits{}};
  std::size_t head_bytes = 0;
  for (;;) {
    const auto parsed = parser.parse(unread_);
    if (!parsed) return std::nullopt;
    head_bytes = *parsed;
    if (head_bytes > 0) break;
    if (!receive(unread_, forever)) return std::nullopt;
  }
  Request request{parser.take(), {}};
  unread_.erase(0, head_bytes);

  http::BodyDecoder body(request.head.framing);
  while (!body.done()) {
    const auto step = body.decode(unread_);
    if (!step || request.body.size() + step->payload.size() > body_limit) return std::nullopt;
    request.body += step->payload;
    unread_.erase(0, step->consumed);
    if (step->consumed == 0 && !body.done() && !receive(unread_, forever)) return std::nullopt;
  }
  return request;
}

}  // namespace hangup::app::demo
