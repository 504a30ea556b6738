#include "upstream/http1_connection.h"

#include <cstring>
#include <utility>

#include <hangup/base/text.h>
#include <hangup/http/body_run.h>
#include <hangup/http/chunks.h>

namespace hangup::upstream {
namespace {

// Interim responses to one request; more are a server that does not come to the point.
constexpr unsigned most_interims = 16;
// Reads in one turn of the loop: a server that sends without end does not keep others waiting.
constexpr int reads_per_turn = 4;

constexpr http::HeadLimits response_limits{.head_bytes = 64 * 1024, .fields = 200, .target_bytes = 0};

}  // namespace

Http1Connection::Http1Connection(Owner& owner, std::size_t server, net::Fd socket,
                                 std::shared_ptr<net::TlsPeer> peer, User& user, std::string_view method)
    : owner_(owner),
      server_(server),
      transport_(owner.loop(), std::move(socket), *this),
      peer_(std::move(peer)),
      user_(&user),
      method_(method),
      output_(owner.loop()),
      parser_(response_limits) {}

void Http1Connection::attach(User& user, std::string_view method) {
  user_ = &user;
  method_ = method;
  state_ = State::busy;
  ++requests_;
  request_whole_ = sent_anything_ = paused_ = any_response_ = head_done_ = false;
  interims_ = 0;
}

// ---- What the socket tells

void Http1Connection::on_ready(net::Readiness ready) {
  if (ready.readable || ready.fin) unread_ = true;
  if (ready.fin) fin_ = true;
  if (state_ == State::connecting && ((!ready.writable && !ready.fin) || !finish_connect())) return;
  if (state_ == State::handshake && !finish_handshake()) return;
  // In this order: what has come before the first byte of a request was sent is no answer to it.
  if (state_ == State::busy && unread_ && !paused_) read();
  if (state_ == State::busy && ready.writable && !output_.empty()) flush();
  if (state_ == State::idle && unread_) {
    // Nothing is due from the server: whatever came, even a FIN, ends the connection.
    char byte = 0;
    if (transport_.read({&byte, 1}).status != net::IoResult::Status::would_block) return close();
    unread_ = false;
  }
}

// These return false when there is no connection yet, or it has failed.
bool Http1Connection::finish_connect() {
  if (const int error = transport_.take_error(); error != 0) {
    fail_to_connect(std::strerror(error));
    return false;
  }
  if (peer_) {
    transport_.start_tls(std::exchange(peer_, nullptr)->connect());
    state_ = State::handshake;
  } else {
    state_ = State::busy;
    user_->on_connected();
  }
  return true;
}

bool Http1Connection::finish_handshake() {
  const net::IoResult result = transport_.handshake();
  if (result.status == net::IoResult::Status::would_block) return false;
  if (result.status != net::IoResult::Status::ok) {
    fail_to_connect(transport_.explain(result.error));
    return false;
  }
  state_ = State::busy;
  unread_ = true;  // it may have read on
  user_->on_connected();
  return true;
}

void Http1Connection::fail_to_connect(std::string reason) {
  User* user = std::exchange(user_, nullptr);
  close();
  user->on_connect_failed(std::move(reason));
}

void Http1Connection::read() {
  for (int i = 0; i < reads_per_turn; ++i) {
    const std::span<char> buffer = owner_.loop().read_buffer();
    const net::IoResult result = transport_.read(buffer);
    switch (result.status) {
      case net::IoResult::Status::would_block:
        unread_ = false;
        if (write_failed_)
          fail(Failure::Kind::reset, "the server closed the connection while it was sent the request");
        return;
      case net::IoResult::Status::end:
        unread_ = false;
        return on_end();
      case net::IoResult::Status::failed:
        return fail(Failure::Kind::reset,
                    "the server's connection broke: " + transport_.explain(result.error));
      case net::IoResult::Status::ok:
        // It belongs to the request before, or to none: whoever has the connection now must not get it.
        if (reused() && !sent_anything_)
          return fail(Failure::Kind::reset, "the server sent something that it was not asked for");
        any_response_ = true;
        unread_ = result.more;
        take(buffer.first(result.bytes));
        break;
    }
    if (state_ != State::busy) return;
    unread_ = true;  // until the kernel says that there is no more: a reset may stand behind a short read
    if (paused_) return;
  }
  transport_.poke();
}

void Http1Connection::take(std::span<char> bytes) {
  std::string kept = std::exchange(input_, {});
  if (!kept.empty()) {
    kept.append(bytes.data(), bytes.size());
    bytes = kept;
  }
  if (head_done_ || read_heads(bytes)) read_body(bytes);
  if (state_ != State::busy) return;
  if (!kept.empty() && bytes.size() == kept.size()) {
    input_ = std::move(kept);  // copying a head that comes byte by byte again for each would be quadratic
  } else {
    input_.assign(bytes.data(), bytes.size());
  }
}

// Takes interim heads and then the response's own off the front. False when that has not come yet, or all is
// over.
bool Http1Connection::read_heads(std::span<char>& bytes) {
  while (!head_done_) {
    const auto size = parser_.parse({bytes.data(), bytes.size()}, method_);
    if (!size) {
      fail(Failure::Kind::invalid, "the server's response is not HTTP: " + size.error().message);
      return false;
    }
    if (*size == 0) return false;
    bytes = bytes.subspan(*size);
    http::ResponseHead head = parser_.take();
    if (head.status == 101) {
      const auto protocol = http::upgrade_of(head.fields);
      if (upgrade_.empty() || !protocol || !equals_ignoring_case(*protocol, upgrade_)) {
        fail(Failure::Kind::invalid, "the server switched to a protocol that it was not asked for");
        return false;
      }
      tunnel_ = true;
      request_whole_ = false;
      head.framing = request_framing_ = http::Framing::to_close();
      head.keep_alive = false;
    } else if (head.status < 200 && ++interims_ > most_interims) {
      fail(Failure::Kind::invalid, "the server sent too many interim responses");
      return false;
    }
    if (head.status < 200 && !tunnel_) {
      user_->on_interim(head);
    } else {
      head_done_ = true;
      framing_ = head.framing;
      decoder_ = http::BodyDecoder(framing_);
      keep_alive_ = head.keep_alive;
      user_->on_response_head(std::move(head));
    }
    if (state_ != State::busy) return false;
  }
  return true;
}

void Http1Connection::read_body(std::span<char>& bytes) {
  http::BodyRun run;
  while (!decoder_.done() && !bytes.empty()) {
    const auto step = decoder_.decode({bytes.data(), bytes.size()});
    if (!step) {
      if (!run.empty()) user_->on_response_body(run.bytes(), false, decoder_.trailers());
      if (state_ != State::busy) return;  // its user has had enough
      return fail(Failure::Kind::invalid, "the server's response body is not HTTP: " + step.error().message);
    }
    if (step->consumed == 0) break;
    run.add(step->payload);
    bytes = bytes.subspan(step->consumed);
  }
  if (decoder_.done()) {
    if (!bytes.empty()) keep_alive_ = false;  // bytes that belong to no response
    end_response(run.bytes());
  } else if (!run.empty()) {
    user_->on_response_body(run.bytes(), false, decoder_.trailers());
  }
}

void Http1Connection::on_end() {
  if (head_done_ && framing_.kind == http::Framing::Kind::until_close) {
    if (transport_.tls() == nullptr || transport_.tls()->ended_cleanly()) return end_response({});
    return fail(Failure::Kind::reset,
                "the server's connection ended without TLS's close_notify: its response may be cut short");
  }
  fail(Failure::Kind::reset, any_response_ ? "the server closed the connection before its response was whole"
                                           : "the server closed the connection without a response");
}

void Http1Connection::end_response(std::string_view data) {
  const bool ended = fin_ || (transport_.tls() != nullptr && transport_.tls()->over());
  const bool reusable = keep_alive_ && request_whole_ && output_.empty() && !write_failed_ && !ended;
  User* user = std::exchange(user_, nullptr);
  state_ = State::idle;
  user->on_response_body(data, true, decoder_.trailers());
  if (reusable) {
    owner_.on_reusable(*this);
  } else {
    close();
  }
}

// ---- The request

void Http1Connection::send_head(const OutgoingRequest& request) {
  http::append_request_head(output_.tail(), request.method, request.target, request.fields, request.body);
  request_framing_ = request.body;
  upgrade_ = request.upgrade;
  request_whole_ = request.body.empty();
  owner_.loop().send_soon(*this);
}

bool Http1Connection::send_body(std::string_view data, bool last, std::span<const http::Field> trailers) {
  if (last) request_whole_ = true;
  if (write_failed_) return true;
  std::string suffix;
  if (request_framing_.kind == http::Framing::Kind::chunked) {
    if (!data.empty()) {
      http::append_chunk_start(output_.tail(), data.size());
      suffix = http::chunk_end;
    }
    if (last) http::append_last_chunk(suffix, trailers);
  }
  fin_after_all_ = tunnel_ && last;
  if (output_.hold_back(*this, data, suffix)) return true;
  const bool all = sent_all(output_.write(transport_, data, suffix));
  if (all) end_of_tunnel();
  return all;
}

void Http1Connection::send_now() {
  if (state_ == State::busy && !output_.empty()) flush();
}

void Http1Connection::flush() {
  if (!sent_all(output_.write(transport_))) return;
  end_of_tunnel();
  if (user_ != nullptr) user_->on_request_drained();
}

// The client's side of it, and only once all is sent.
void Http1Connection::end_of_tunnel() {
  if (std::exchange(fin_after_all_, false)) transport_.shutdown_write();
}

bool Http1Connection::sent_all(const net::IoResult& result) {
  if (result.bytes > 0) sent_anything_ = true;
  if (result.status == net::IoResult::Status::failed) {
    // Its response may have come already, and is still to be read.
    write_failed_ = unread_ = true;
    output_.clear();
    transport_.poke();
    return true;
  }
  return result.status == net::IoResult::Status::ok;
}

void Http1Connection::pause_response(bool paused) {
  if (paused_ == paused) return;
  paused_ = paused;
  if (!paused && unread_ && state_ == State::busy) transport_.poke();
}

// ---- Ends

void Http1Connection::fail(Failure::Kind kind, std::string message) {
  User* user = std::exchange(user_, nullptr);
  const bool unanswered = kind == Failure::Kind::reset && !any_response_;
  const bool stale = reused() && !any_response_;
  transport_.reset();
  close();
  user->on_connection_failed({kind, std::move(message), stale, unanswered});
}

void Http1Connection::abort() {
  user_ = nullptr;
  transport_.reset();
  close();
}

void Http1Connection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  transport_.close();
  owner_.on_closed(*this);
}

}  // namespace hangup::upstream
