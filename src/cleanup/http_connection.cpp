#include "cleanup/http_connection.h"

#include <cstring>
#include <utility>

#include <hangup/net/event_loop.h>

namespace hangup::cleanup {
namespace {

using Status = net::IoResult::Status;

// What a receiver says beyond its status is of no use to us.
constexpr http::HeadLimits head_limits{.head_bytes = 16 * 1024, .fields = 100, .target_bytes = 1};
constexpr std::size_t max_body_bytes = 64 * 1024;
constexpr unsigned max_interim_heads = 8;

}  // namespace

HttpConnection::HttpConnection(net::EventLoop& loop, net::Fd socket, std::shared_ptr<net::TlsPeer> peer)
    : loop_(loop),
      transport_(loop, std::move(socket), *this),
      peer_(std::move(peer)),
      output_(loop),
      parser_(head_limits) {}

void HttpConnection::exchange(std::string request, std::string method, std::optional<MonoTime> not_after,
                              Done done) {
  not_after_ = not_after;
  lost_ = nullptr;
  done_ = std::move(done);
  method_ = std::move(method);
  answered_ = false;
  interim_heads_ = 0;
  body_bytes_ = 0;
  reply_ = {};
  output_.append(request);
  state_ = connected_ ? State::head : State::connecting;
  if (connected_) send();
}

const char* HttpConnection::waits_for() const {
  if (state_ == State::connecting) return "connecting";
  return state_ == State::handshake ? "in the TLS handshake" : "waiting for the response";
}

std::optional<HttpConnection::Reply> HttpConnection::reply_so_far() const {
  if (state_ != State::body) return std::nullopt;
  return reply_;
}

bool HttpConnection::usable() {
  char byte = 0;
  return transport_.read({&byte, 1}).status == Status::would_block;
}

void HttpConnection::on_ready(net::Readiness ready) {
  if (state_ == State::idle) return on_idle();
  if (!connected_) {
    if (state_ == State::connecting && (!ready.writable || !finish_connect())) return;
    if (state_ == State::handshake && !finish_handshake()) return;
    ready.writable = true;
  }
  if (ready.writable && write_error_ == 0) send();
  receive();
}

void HttpConnection::on_idle() {
  if (usable()) return;
  if (const auto lost = std::exchange(lost_, nullptr)) lost();
}

bool HttpConnection::finish_connect() {
  if (const int error = transport_.take_error(); error != 0) {
    fail(std::string("connect: ") + std::strerror(error));
    return false;
  }
  if (peer_) {
    transport_.start_tls(peer_->connect());
    state_ = State::handshake;
    return true;
  }
  return begin_request();
}

bool HttpConnection::finish_handshake() {
  const auto result = transport_.handshake();
  if (result.status == Status::would_block) return false;
  if (result.status != Status::ok) {
    fail(transport_.explain(result.error));
    return false;
  }
  return begin_request();
}

bool HttpConnection::begin_request() {
  connected_ = true;
  state_ = State::head;
  if (!not_after_ || loop_.now() < *not_after_) return true;
  fail("expired before there was a connection");
  return false;
}

// A receiver may answer and close before it has read everything, so that an error is no end: what it said is
// still read.
void HttpConnection::send() {
  if (output_.empty()) return;
  const auto result = output_.write(transport_);
  if (result.status != Status::failed) return;
  write_error_ = result.error;
  transport_.poke();
}

void HttpConnection::receive() {
  const auto buffer = loop_.read_buffer();
  for (;;) {
    const auto result = transport_.read(buffer);
    switch (result.status) {
      case Status::ok:
        answered_ = true;
        if (take({buffer.data(), result.bytes})) return;
        break;
      case Status::would_block:
        if (write_error_ != 0) at_end(write_error_);
        return;
      case Status::end:
        at_end(write_error_);
        return;
      case Status::failed:
        at_end(result.error);
        return;
    }
  }
}

bool HttpConnection::take(std::string_view bytes) {
  if (state_ == State::body) return take_body(bytes);
  head_.append(bytes);
  return take_head();
}

bool HttpConnection::take_head() {
  for (;;) {
    const auto size = parser_.parse(head_, method_);
    if (!size) return fail("invalid response: " + size.error().message);
    if (*size == 0) return false;
    const http::ResponseHead head = parser_.take();
    const std::string rest = std::exchange(head_, {}).substr(*size);
    if (head.status >= 200) {
      reply_ = {.status = head.status,
                .retry_after = std::string(head.fields.find("retry-after").value_or("")),
                .reusable = head.keep_alive};
      body_ = http::BodyDecoder(head.framing);
      state_ = State::body;
      return take_body(rest);
    }
    if (head.status == 101) return fail("invalid response: an upgrade that nobody asked for");
    if (++interim_heads_ > max_interim_heads) return fail("invalid response: too many interim responses");
    head_ = rest;
  }
}

// The body is read so that the connection can be used again, or closed without a reset. Its head has decided:
// no trouble here undoes that.
bool HttpConnection::take_body(std::string_view bytes) {
  while (!body_.done() && !bytes.empty()) {
    const auto step = body_.decode(bytes);
    if (step) body_bytes_ += step->consumed;  // of which chunks' extensions may be most
    if (!step || step->consumed == 0 || body_bytes_ > max_body_bytes) {
      reply_.reusable = false;
      return finish(std::move(reply_));
    }
    bytes.remove_prefix(step->consumed);
  }
  if (!body_.done()) return false;
  if (!bytes.empty() || !output_.empty()) reply_.reusable = false;
  return finish(std::move(reply_));
}

bool HttpConnection::at_end(int error) {
  if (state_ == State::body) {
    reply_.reusable = false;
    return finish(std::move(reply_));
  }
  return fail(error != 0 ? transport_.explain(error)
                         : "the receiver closed the connection without an answer");
}

bool HttpConnection::finish(Result result) {
  state_ = State::idle;
  auto done = std::exchange(done_, nullptr);
  done(std::move(result));
  return true;
}

bool HttpConnection::fail(std::string message) {
  return finish(std::unexpected(
      Failure{.message = std::move(message), .connected = connected_, .answered = answered_}));
}

}  // namespace hangup::cleanup
