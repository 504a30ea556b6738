// A client's request and the way to answer it: the one interface through which the rest of hangup sees
// clients, whatever protocol they speak.
//
// The way of a stream: a front end hands it to RequestSink::on_request(), which attaches an observer and
// unpauses the request body when it has somewhere to put it. It ends in exactly one of three ways, and must
// not be touched afterwards:
//   - the response is whole and the kernel has taken its last byte: send_body(…, last) returned true, or
//   on_sent() was called;
//   - the client has gone: on_gone() was called;
//   - the observer cut it: cut().
//
// Threading: a stream belongs to its front end's thread. No method calls the observer from inside itself,
// but for on_finishing().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <hangup/base/address.h>
#include <hangup/base/clock.h>
#include <hangup/base/outcome.h>
#include <hangup/config/config.h>
#include <hangup/http/message.h>

namespace hangup::downstream {

// Who is at the other end of a connection.
struct ClientInfo {
  std::string ip;  // "127.0.0.1", "::1"; "unix" for a UNIX socket
  std::uint16_t port = 0;
  bool unknown = false;  // a PROXY header says that it can't tell who the client is: this is the proxy
  bool secure = false;   // came over TLS
  std::shared_ptr<const config::Listener> listener = nullptr;  // as it was when the request began
  std::string peer;              // the proxy that has connected for it, "10.0.0.1 port 5000"; "" without one
  std::string_view tls_version;  // "TLSv1.3"; "" without TLS, as is the cipher; constants
  std::string_view tls_cipher;
  std::string subject;  // of the client's certificate, which was verified (RFC 4514); "" without one
};

// A connection that ended before it could carry a request.
struct ArrivalFailure {
  std::string reason;
  bool left = false;  // the client just went away
};

// A response's head, to be written afresh by the front end. `fields` holds what is end to end; the front end
// adds what belongs to its own message and connection.
struct ResponseStart {
  int status = 0;
  std::string_view reason;  // empty: the standard one
  std::span<const http::Field> fields;
  // What follows: none, of known length, or unknown (chunked or until_close, which the front end frames as
  // the client can take it).
  http::Framing body;
  // For a response without a body that says how long it would be (HEAD, 304).
  std::optional<std::uint64_t> content_length;
  // What has not been taken of the request's body by now never is.
  bool ends_request = false;
};

class StreamObserver {
 public:
  // Some of the request's body, in order. `last`: the request is whole; its trailers are in
  // ClientStream::trailers(). `data` may be empty only with `last`, and is good until the call returns.
  virtual void on_request_body(std::string_view data, bool last) = 0;
  // The body's framing is broken (400) or it is longer than the listener allows (413). No more of it will
  // come.
  virtual void on_request_invalid(const http::ParseError& error) = 0;
  // Nothing of the body came for the listener's body_idle time. No more of it will come.
  virtual void on_request_timeout() = 0;
  // Nothing of what waits to be sent was taken for the listener's write_idle time.
  virtual void on_response_timeout() = 0;
  // What was waiting has been taken by the kernel.
  virtual void on_response_drained() = 0;
  // The response's last byte, which was handed over, is about to be offered to the kernel (true), or the
  // kernel did not take all of what waits (false). To be prepared for dying in between.
  virtual void on_finishing(bool finishing) = 0;
  // The last byte of the response that waited has been taken by the kernel: the end of the stream.
  virtual void on_sent() = 0;
  // The client has sent FIN: it will send no more, and may or may not still read. At most once. `sign` is
  // when it was noticed.
  virtual void on_half_close(MonoTime sign) = 0;
  // The client has gone: the end of the stream.
  virtual void on_gone(MonoTime sign) = 0;

 protected:
  ~StreamObserver() = default;
};

class ClientStream {
 public:
  // Never null; who outlives the stream keeps it.
  virtual const std::shared_ptr<const ClientInfo>& client() const = 0;
  // When the first byte of the request was seen.
  virtual MonoTime started() const = 0;

  // `observer` outlives the stream's end. To be called from within on_request() or on_refused().
  virtual void attach(StreamObserver& observer) = 0;
  // The request body starts paused. While it is paused, the front end keeps at most 64 KiB of it and stops
  // reading.
  virtual void pause_request(bool paused) = 0;
  virtual const http::Fields& trailers() const = 0;
  // FIN was seen already.
  virtual bool half_closed() const = 0;
  // Finds out whether a client that has sent FIN still reads, by something that is harmless to it and to
  // which its kernel has an answer; and again from time to time while the stream lives. One that does not
  // read has gone: on_gone() comes within 50 ms and a round trip. False: there is no way to find out.
  // REQUIRES: half_closed().
  virtual bool probe() = 0;

  // In the gap of a chunked response: a leading zero of the next chunk's size, which changes nothing of the
  // response. At most 8 for one chunk; nothing where there can be none.
  virtual void send_leading_zero() = 0;
  // An interim response (1xx), before send_head(). Not sent to HTTP/1.0 clients.
  virtual void send_interim(int status, std::span<const http::Field> fields) = 0;
  // Once. send_body(…, last) must follow, also when there is no body. With status 101, which has a body until
  // the close, the connection is a tunnel from then on: what the client sends is the request's body, without
  // the limits of one, and ends with its FIN. REQUIRES then: the request has no body of its own.
  virtual void send_head(const ResponseStart& start) = 0;
  // Some of the response's body; `last` ends it. True when the kernel has taken everything so far, or, before
  // the last, when what waits is little and goes at the end of this turn of the loop; otherwise the rest is
  // kept, and on_response_drained() or on_sent() follows: to bound memory, the caller sends no more before
  // that. `data` is copied if kept.
  virtual bool send_body(std::string_view data, bool last, std::span<const http::Field> trailers = {}) = 0;
  // Ends the stream at once without completing the response, in a way that the client can't take for its end.
  // Returns what body_bytes_sent() has come to.
  virtual std::uint64_t cut() = 0;

  // May be asked in on_gone() too. Response body bytes that the kernel has taken. What waits counts as not
  // sent.
  virtual std::uint64_t body_bytes_sent() const = 0;

 protected:
  ~ClientStream() = default;
};

// Why a front end doesn't take a request.
struct Refusal {
  Outcome outcome = Outcome::rejected;  // or client_timeout
  int status = 400;
  std::string message;
};

// Where requests go.
class RequestSink {
 public:
  virtual void on_request(ClientStream& stream, http::RequestHead head) = 0;
  // A request that is not to be forwarded; the sink answers it, and the connection ends after that. `head` is
  // empty when it was the head that was refused.
  virtual void on_refused(ClientStream& stream, http::RequestHead head, const Refusal& refusal) = 0;
  // The client left in the middle of a request's head.
  virtual void on_abandoned(const ClientInfo& client, MonoTime started) = 0;
  // A connection got no further than its PROXY header or TLS handshake; there is nothing to be done but to
  // say so.
  virtual void on_not_arrived(const ClientInfo& client, const ArrivalFailure& failure) = 0;

 protected:
  ~RequestSink() = default;
};

}  // namespace hangup::downstream
