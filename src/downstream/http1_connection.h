// The gate: one client's HTTP/1 connection. It owns the bytes of the socket, parses strictly, streams request
// bodies with backpressure, sees every close at once and in every phase, and writes the answers. evhttp,
// which owns the connection in name, learns of admitted requests by a ticket and of their end.
#pragma once

#include "downstream/arrival.h"

#include <list>
#include <memory>
#include <optional>
#include <string>

#include <hangup/base/scheduler.h>
#include <hangup/downstream/client_stream.h>
#include <hangup/downstream/connection_limits.h>
#include <hangup/http/message.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/send_queue.h>
#include <hangup/net/transport.h>

namespace hangup::downstream {

class Http1Connection final : public ClientStream,
                              public net::Transport::Handler,
                              private net::EventLoop::Sender {
 public:
  // What a connection needs of its front end.
  class Owner {
   public:
    virtual net::EventLoop& loop() = 0;
    virtual const std::shared_ptr<const config::Listener>& listener() const = 0;
    virtual RequestSink& sink() = 0;
    virtual bool draining() const = 0;
    // The connection has closed; it is to be destroyed, but not from inside this call.
    virtual void on_closed(Http1Connection& connection) = 0;

   protected:
    ~Owner() = default;
  };

  Http1Connection(Owner& owner, Arrived arrived);
  virtual ~Http1Connection();

  // Closes if nothing is under way; otherwise after the answer. A client that has not asked for anything yet
  // may do so until `newcomers_until`.
  void drain(MonoTime newcomers_until);
  // Its client has asked for something that is not whole, or is still to ask for the first time.
  bool awaited() const { return state_ == State::head || (state_ == State::idle && !served_); }
  // Takes up the owner's listener, if nothing is under way: otherwise it does so before the next request.
  void follow_reload();

  // From time to time: finds a client that vanished while something was on its way to it, of which no event
  // tells for many minutes.
  void look_for_silence(Duration limit);

  std::list<std::unique_ptr<Http1Connection>>::iterator self;  // the owner's

  const std::shared_ptr<const ClientInfo>& client() const override { return client_; }
  MonoTime started() const override { return started_; }
  void attach(StreamObserver& observer) override { observer_ = &observer; }
  void pause_request(bool paused) override;
  const http::Fields& trailers() const override { return decoder_.trailers(); }
  bool half_closed() const override { return fin_; }
  bool probe() override;
  void send_leading_zero() override;
  void send_interim(int status, std::span<const http::Field> fields) override;
  void send_head(const ResponseStart& start) override;
  bool send_body(std::string_view data, bool last, std::span<const http::Field> trailers) override;
  std::uint64_t cut() override;
  std::uint64_t body_bytes_sent() const override;

 private:
  enum class State : std::uint8_t {
    idle,       // between requests, nothing read of the next
    head,       // some of a request's head was read
    exchange,   // a request is with the sink
    lingering,  // answered for the last time: what still comes is thrown away until the client closes
    closed,
  };
  enum class BodyFormat : std::uint8_t { none, plain, chunked };

  const config::Listener& listener() const { return *client_->listener; }
  void on_ready(net::Readiness ready) override;
  void enter(State state);
  void take_up_listener();

  bool takes() const;
  bool nothing_is_due() const;
  bool reading() const;
  bool reading_ahead() const;
  void read();
  void take(std::string_view bytes);
  std::size_t process(std::string_view bytes);
  std::size_t read_head(std::string_view bytes);
  std::size_t read_body(std::string_view bytes);
  std::size_t fail_body(const http::ParseError& error, std::string_view bytes);
  void refuse(const Refusal& refusal, http::RequestHead head = {});
  void on_fin();

  void send_now() override;
  void flush();
  bool sent_all(const net::IoResult& result);
  void end_response();
  void client_gone();
  void close();

  bool write_probe();
  void await_verdict();
  bool append_leading_zero();
  void on_probe_timer();

  void set_body_deadline();
  void update_timer();
  void on_write_timer();
  void on_timer();

  Owner& owner_;
  const ConnectionPlace place_;
  std::unique_ptr<EvhttpSeat> seat_;
  std::unique_ptr<net::Transport> transport_;
  std::unique_ptr<Timer> timer_;
  std::shared_ptr<const ClientInfo> client_;
  std::unique_ptr<const Refusal> refusal_;  // of whatever is asked for; null for none
  StreamObserver* observer_ = nullptr;

  State state_ = State::idle;
  // The connection.
  bool served_ = false;    // a request was answered
  bool fin_ = false;       // the client has sent FIN
  bool read_end_ = false;  // and everything before it was read
  bool dead_ = false;      // a write failed: found inside a call of the observer's, told it in the next turn
  bool unread_ = false;    // the socket may hold bytes that no event will tell of again
  bool processing_ = false;  // in take(), which sees by itself that the pause is over
  bool overflow_ =
      false;  // more was pipelined than is kept: thrown away, and the connection ends after this answer
  // The request.
  bool paused_ = true;
  bool body_failed_ = false;
  bool fin_told_ = false;
  // The response.
  bool head_sent_ = false;
  bool last_sent_ = false;  // the last byte was handed over, if not to the kernel
  bool keep_alive_ = true;  // what the client wants, and from send_head() on what it was told
  http::Version version_ = http::Version::http11;
  BodyFormat format_ = BodyFormat::none;
  bool tunnel_ = false;  // the protocol was changed: what follows is bytes, both ways
  bool tunnel_end_told_ = false;
  // A client that has sent FIN: what has to be acknowledged to show that it reads; nullopt between two
  // probes.
  bool awaits_continue_ = false;  // the client sends its body only when it is told to
  std::optional<std::uint64_t> probe_end_;
  std::uint8_t leading_zeros_ = 0;  // of the next chunk's size, sent as probes

  http::RequestHeadParser parser_;
  http::BodyDecoder decoder_;
  std::string input_;  // read, and not processed yet
  net::SendQueue output_;
  std::uint64_t probe_acknowledged_ = 0;  // when the probe was last looked at
  std::uint64_t write_acknowledged_ = 0;  // when the write deadline was set
  std::uint64_t received_ = 0;
  std::uint64_t accepted_ = 0;  // body bytes of the response that were handed to us
  MonoTime started_;
  MonoTime sign_;            // when the event that is being handled came, or the write failed
  MonoTime state_deadline_;  // of idle, head, lingering
  OptionalTime body_deadline_;
  OptionalTime write_deadline_;
  OptionalTime probe_deadline_;  // the verdict is due, or the next probe
  OptionalTime fin_sign_;        // until the first verdict: when the FIN was noticed
};

}  // namespace hangup::downstream
