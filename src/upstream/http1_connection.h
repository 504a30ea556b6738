// One HTTP/1.1 connection to a server, in plain text or by TLS: connecting, serving one request at a time, or
// idle in the pool.
#pragma once

#include <list>
#include <memory>
#include <string>

#include <hangup/http/message.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/send_queue.h>
#include <hangup/net/tls.h>
#include <hangup/net/transport.h>
#include <hangup/upstream/upstream.h>

namespace hangup::upstream {

class Http1Connection final : public net::Transport::Handler, private net::EventLoop::Sender {
 public:
  // Who uses the connection for a request.
  class User {
   public:
    virtual void on_connected() = 0;  // with TLS's handshake done
    // Nothing of the request was sent. The connection has no user any more when this is called, and closes.
    virtual void on_connect_failed(std::string reason) = 0;
    virtual void on_request_drained() = 0;
    virtual void on_interim(const http::ResponseHead& head) = 0;
    virtual void on_response_head(http::ResponseHead head) = 0;
    virtual void on_response_body(std::string_view data, bool last, const http::Fields& trailers) = 0;
    // The connection has no user any more when this is called, and closes.
    virtual void on_connection_failed(Failure failure) = 0;

   protected:
    ~User() = default;
  };
  // The pool.
  class Owner {
   public:
    virtual net::EventLoop& loop() = 0;
    // A response has ended and the connection can serve another request.
    virtual void on_reusable(Http1Connection& connection) = 0;
    // It has closed; it is to be destroyed, but not from inside this call.
    virtual void on_closed(Http1Connection& connection) = 0;

   protected:
    ~Owner() = default;
  };

  // `socket` is connecting; `peer` is null for plain text; `method` is good until the request has ended.
  Http1Connection(Owner& owner, std::size_t server, net::Fd socket, std::shared_ptr<net::TlsPeer> peer,
                  User& user, std::string_view method);

  std::size_t server() const { return server_; }
  // Has served a request before the one it has now.
  bool reused() const { return requests_ > 1; }
  bool in_handshake() const { return state_ == State::handshake; }

  // For the next request, on an idle connection.
  void attach(User& user, std::string_view method);
  void send_head(const OutgoingRequest& request);
  bool send_body(std::string_view data, bool last, std::span<const http::Field> trailers);
  void pause_response(bool paused);
  bool sent_anything() const { return sent_anything_; }
  std::uint64_t acknowledged() const { return transport_.acknowledged(); }
  // Its user hears nothing more.
  void abort();
  // Of one that is idle.
  void close();

  // The owner's.
  std::list<std::unique_ptr<Http1Connection>>::iterator self;
  MonoTime idle_since;
  bool pooled = false;
  unsigned tls_version = 0;  // the reading of TLS settings that it was made with
  std::shared_ptr<const SocketAddress>
      address;  // that the server's name was looked up to; null without a name

 private:
  enum class State : std::uint8_t { connecting, handshake, busy, idle, closed };

  void on_ready(net::Readiness ready) override;
  bool finish_connect();
  bool finish_handshake();
  void fail_to_connect(std::string reason);
  void read();
  void take(std::span<char> bytes);
  bool read_heads(std::span<char>& bytes);
  void read_body(std::span<char>& bytes);
  void on_end();
  void end_response(std::string_view data);
  void send_now() override;
  void flush();
  void end_of_tunnel();
  bool sent_all(const net::IoResult& result);
  void fail(Failure::Kind kind, std::string message);

  Owner& owner_;
  const std::size_t server_;
  net::Transport transport_;
  std::shared_ptr<net::TlsPeer> peer_;  // until connected
  User* user_;
  State state_ = State::connecting;
  unsigned requests_ = 1;

  // The request.
  std::string_view method_;
  http::Framing request_framing_;
  std::string upgrade_;         // that was asked for
  bool tunnel_ = false;         // and granted
  bool fin_after_all_ = false;  // the client's side of the tunnel has ended
  bool request_whole_ = false;
  bool sent_anything_ = false;
  bool write_failed_ = false;
  net::SendQueue output_;

  // The response.
  bool paused_ = false;
  bool fin_ = false;           // the server has sent FIN
  bool unread_ = false;        // the socket may hold bytes that no event will tell of again
  bool any_response_ = false;  // a byte of it came
  bool head_done_ = false;
  bool keep_alive_ = false;
  unsigned interims_ = 0;
  http::ResponseHeadParser parser_;
  http::BodyDecoder decoder_;
  http::Framing framing_;
  std::string input_;  // of a head, or of a body's framing, that is not whole
};

}  // namespace hangup::upstream
