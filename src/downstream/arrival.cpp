#include "downstream/arrival.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <hangup/net/proxy_protocol.h>

namespace hangup::downstream {
namespace {

// Requests begin with a method, and TLS with a byte that is no letter.
constexpr bool begins_request(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '\r' || c == '\n';
}

void set_client(ClientInfo& client, const SocketAddress& address) {
  client.ip = address.host();
  client.port = address.port();
}

}  // namespace

Arrival::Arrival(Owner& owner, Admission::Newcomer newcomer)
    : owner_(owner), client_(newcomer.peer), tls_(owner.tls()) {
  arrived_.seat = std::move(newcomer.seat);
  arrived_.place = std::move(newcomer.place);
  arrived_.client.listener = owner.listener();
  set_client(arrived_.client, client_);
  arrived_.transport = std::make_unique<net::Transport>(owner.loop(), std::move(newcomer.socket), *this);
}

Arrival::~Arrival() {
  if (!arrived_.transport) return;
  // The seat goes while the number of the descriptor that it shuts down is still this socket.
  const net::Fd socket = arrived_.transport->release();
  arrived_.seat.reset();
}

void Arrival::start() {
  if (listener().proxy_protocol) {
    if (!listener().trusted_proxies.contains(client_)) {
      return fail("it is not one of trusted_proxies, and has to be for proxy_protocol: accept", false);
    }
  } else if (listener().tls) {
    state_ = State::first_byte;
  } else {
    return arrive();
  }
  timer_ = owner_.loop().make_timer([this] { on_deadline(); });
  deadline_ = std::min(deadline_, later(owner_.loop().now(), listener().timeouts.handshake));
  timer_->set(deadline_);
}

void Arrival::end_by(MonoTime deadline) {
  deadline_ = std::min(deadline_, deadline);
  if (timer_) timer_->set(deadline_);
}

void Arrival::on_ready(net::Readiness ready) {
  if (state_ == State::ended) return;
  arrived_.waited = true;
  if (ready.fin) arrived_.fin = true;
  go_on();
}

void Arrival::go_on() {
  if (state_ == State::proxy_header && !read_proxy_header()) return;
  if (state_ == State::first_byte && !look_at_first_byte()) return;
  if (state_ == State::handshake) shake_hands();
}

// What has come and was not read, up to `most` bytes; empty when the arrival has ended or more has to come.
// Only looked at, so that what belongs to TLS or to a request stays for those who read it.
std::string_view Arrival::peek(std::size_t most) {
  const std::span<char> buffer = owner_.loop().read_buffer().first(most);
  ssize_t count = 0;
  do {
    count = ::recv(arrived_.transport->fd(), buffer.data(), buffer.size(), MSG_PEEK);
  } while (count < 0 && errno == EINTR);
  if (count > 0) return {buffer.data(), static_cast<std::size_t>(count)};
  // Of a socket that the kernel has no room to watch, no event would tell what comes.
  const bool gone = count == 0 || errno != EAGAIN || arrived_.transport->peer_state() == net::PeerState::gone;
  if (gone) fail("it has left", true);
  return {};
}

// More is needed; ends it when none can come.
void Arrival::on_nothing_more() {
  if (arrived_.fin || arrived_.transport->peer_state() != net::PeerState::open) {
    fail("it has left in the middle of its PROXY header", true);
  }
}

bool Arrival::read_proxy_header() {
  const std::string_view bytes = peek(net::most_proxy_header);
  if (bytes.empty()) return false;
  const auto header = net::parse_proxy_header(bytes);
  if (!header) {
    fail(header.error().message, false);
    return false;
  }
  if (header->size == 0) {
    on_nothing_more();
    return false;
  }
  // In the kernel it is already, so that this takes all of it.
  const std::span<char> buffer = owner_.loop().read_buffer().first(header->size);
  if (::recv(arrived_.transport->fd(), buffer.data(), buffer.size(), 0) !=
      static_cast<ssize_t>(buffer.size())) {
    fail("it has left", true);
    return false;
  }
  arrived_.client.unknown = header->unknown;
  if (!header->local) {
    const ClientInfo& proxy = arrived_.client;
    arrived_.client.peer = proxy.ip + " port " + std::to_string(proxy.port);
    client_ = header->source;
    set_client(arrived_.client, client_);
  }
  if (!owner_.name_client(arrived_.place, client_)) {
    refuse();
    return false;
  }
  if (listener().tls) {
    state_ = State::first_byte;
    return true;
  }
  arrive();
  return false;
}

bool Arrival::look_at_first_byte() {
  const std::string_view byte = peek(1);
  if (byte.empty()) return false;
  if (begins_request(byte.front())) {
    arrive(Refusal{Outcome::rejected, 400, "this port speaks TLS: use https"});
    return false;
  }
  arrived_.transport->start_tls(tls_->accept());
  state_ = State::handshake;
  return true;
}

bool Arrival::shake_hands() {
  const net::IoResult result = arrived_.transport->handshake();
  if (result.status == net::IoResult::Status::would_block) return false;
  if (result.status != net::IoResult::Status::ok) {
    const bool left = result.error == ECONNRESET || result.error == EPIPE;
    fail(left ? "it has left in the TLS handshake" : arrived_.transport->explain(result.error), left);
    return false;
  }
  const net::TlsConnection& tls = *arrived_.transport->tls();
  ClientInfo& client = arrived_.client;
  client.secure = true;
  client.tls_version = tls.version();
  client.tls_cipher = tls.cipher();
  client.subject = tls.peer_subject();
  arrive();
  return true;
}

void Arrival::on_deadline() {
  switch (state_) {
    case State::proxy_header:
      return fail("its PROXY header did not come in time", false);
    case State::first_byte:
      return fail("it has not begun the TLS handshake in time", true);
    case State::handshake:
      return fail("the TLS handshake was not done in time", false);
    case State::ended:
      return;
  }
}

void Arrival::end() {
  state_ = State::ended;
  if (timer_) timer_->cancel();
}

void Arrival::arrive(std::optional<Refusal> refusal) {
  end();
  arrived_.refusal = std::move(refusal);
  owner_.on_arrived(*this, std::move(arrived_));
}

void Arrival::fail(std::string reason, bool left) {
  if (!left) owner_.counts().refused_arrival.add();
  owner_.sink().on_not_arrived(arrived_.client, {std::move(reason), left});
  close();
}

void Arrival::refuse() {
  end();
  net::Fd socket = arrived_.transport->release();
  arrived_.transport.reset();
  owner_.on_not_admitted(*this,
                         {std::move(socket), std::move(arrived_.seat), client_, std::move(arrived_.place)});
}

void Arrival::close() {
  if (state_ == State::ended) return;
  end();
  const net::Fd socket = arrived_.transport->release();
  arrived_.transport.reset();
  arrived_.seat.reset();
  owner_.on_not_arrived(*this);
}

}  // namespace hangup::downstream
