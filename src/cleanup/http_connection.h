// One HTTP/1.1 connection to a receiver, for one request at a time.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <hangup/base/clock.h>
#include <hangup/http/message.h>
#include <hangup/net/fd.h>
#include <hangup/net/send_queue.h>
#include <hangup/net/tls.h>
#include <hangup/net/transport.h>

namespace hangup::net {
class EventLoop;
}

namespace hangup::cleanup {

// Threading: belongs to the loop's thread.
class HttpConnection final : private net::Transport::Handler {
 public:
  struct Reply {
    int status = 0;
    std::string retry_after;  // the field's value; "" for none
    bool reusable = false;    // the connection can take another request
  };
  struct Failure {
    std::string message;
    bool connected = false;  // else nothing was sent
    bool answered = false;   // some bytes of a response came
  };
  using Result = std::expected<Reply, Failure>;
  using Done = std::move_only_function<void(Result)>;

  // Takes over a socket that is connecting. `peer` is null for plain text.
  HttpConnection(net::EventLoop& loop, net::Fd socket, std::shared_ptr<net::TlsPeer> peer);

  // Sends the request, once connected, and reads its response. `done` may destroy this or begin the next
  // exchange, and is never called from inside exchange(). It fails if there is no connection before
  // `not_after`. REQUIRES: idle.
  void exchange(std::string request, std::string method, std::optional<MonoTime> not_after, Done done);
  // What takes so long, for people.
  const char* waits_for() const;
  bool connecting() const { return state_ == State::connecting; }
  // A response whose head is in, but whose body is not: for who can't wait any longer.
  std::optional<Reply> reply_so_far() const;
  // Whether the receiver has neither closed nor said anything since the last exchange. REQUIRES: idle.
  bool usable();
  // From now until the next exchange: `lost` is called, and may destroy this, when the receiver closes or
  // says something that it was not asked. REQUIRES: idle.
  void watch(std::function<void()> lost) { lost_ = std::move(lost); }

 private:
  enum class State : std::uint8_t { idle, connecting, handshake, head, body };

  void on_ready(net::Readiness ready) override;
  void on_idle();
  // These return false when there is no connection yet, or `this` may be gone.
  bool finish_connect();
  bool begin_request();
  bool finish_handshake();
  void send();
  void receive();
  // These return true when the exchange has ended: `this` may be gone.
  bool take(std::string_view bytes);
  bool take_head();
  bool take_body(std::string_view bytes);
  bool at_end(int error);
  bool finish(Result result);
  bool fail(std::string message);

  net::EventLoop& loop_;
  net::Transport transport_;
  const std::shared_ptr<net::TlsPeer> peer_;
  net::SendQueue output_;
  State state_ = State::idle;
  bool connected_ = false;  // with the handshake done
  bool answered_ = false;
  int write_error_ = 0;
  std::string method_;
  std::optional<MonoTime> not_after_;
  Done done_;
  std::function<void()> lost_;

  http::ResponseHeadParser parser_;
  std::string head_;  // bytes of a head that is not whole; bounded by the parser
  unsigned interim_heads_ = 0;
  Reply reply_;  // once the head is in
  http::BodyDecoder body_;
  std::size_t body_bytes_ = 0;
};

}  // namespace hangup::cleanup
