// Requests to an upstream's servers: which server, over which connection, and what came of it.
//
// The way of a request: start() finds a server and a connection, or waits in the queue for one;
// on_connected() asks for the request, which goes out by send_head() and send_body(); the response comes back
// through the observer. It ends with the last of the response's body, with on_failed(), or with abort().
//
// Threading: everything here belongs to one worker's thread, except SharedUpstream.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/base/error.h>
#include <hangup/config/config.h>
#include <hangup/http/message.h>

namespace hangup::net {
class EventLoop;
}

namespace hangup::upstream {

struct OutgoingRequest {
  std::string_view method;
  std::string_view target;
  std::span<const http::Field> fields;  // end to end, and Host
  http::Framing body;                   // none, length or chunked
  // The protocol that the fields ask to change to; empty for none. A response 101 to it opens a tunnel: its
  // body and, from then on, the request's are bytes until each side's end.
  std::string_view upgrade = {};
};

struct Failure {
  enum class Kind : std::uint8_t {
    overloaded,       // the queue is full
    unreachable,      // no server could be connected to, or no TLS handshake succeeded
    connect_timeout,  // likewise, and the last one was too slow
    reset,            // the server closed before its response was whole
    invalid,          // what the server sent is not HTTP
  };
  Kind kind = Kind::reset;
  std::string message;
  // For reset: the connection had served another request before, and not a byte of a response came: the
  // server may have closed it as idle just when this request was sent.
  bool stale_connection = false;
  // For reset: not a byte of a response came.
  bool unanswered = false;
};

// What makes a request go on to another server.
enum class RetryCause : std::uint8_t { connect, reset, status };
inline constexpr std::array<std::string_view, 3> retry_cause_names = {"connect", "reset", "status"};

// What one exchange has tried. It goes along with its requests, from one that failed to the one that follows.
struct Tries {
  std::vector<unsigned> failed;  // so often at each server; empty until it has at one
  unsigned further = 0;          // servers, after the first

  static constexpr unsigned for_good = ~0U;
};

struct RequestOptions {
  std::string_view method;  // good until the request has ended
  // No connection that has served another request is taken.
  bool fresh = false;
  // For balance: hash; empty for none. Only looked at during the call.
  std::string_view key = {};
};

class ServerObserver {
 public:
  // No server has a connection free; the request waits.
  virtual void on_queued() = 0;
  virtual void on_connecting(const config::Server& server) = 0;
  // The time for send_head().
  virtual void on_connected(const config::Server& server) = 0;
  // What send_body() kept has been taken by the kernel.
  virtual void on_request_drained() = 0;
  virtual void on_interim(const http::ResponseHead& head) = 0;
  virtual void on_response_head(http::ResponseHead head) = 0;
  // Some of the response's body; `last` ends the response and the request. `data` may be empty only with
  // `last`, and is good until the call returns.
  virtual void on_response_body(std::string_view data, bool last, const http::Fields& trailers) = 0;
  virtual void on_failed(const Failure& failure) = 0;

 protected:
  ~ServerObserver() = default;
};

// Destroying one that has not ended aborts it.
class ServerRequest {
 public:
  virtual ~ServerRequest() = default;
  // May call the observer, and may end the request, before it returns.
  virtual void start() = 0;
  // The connect deadline has passed: goes on with the next server, if there is one.
  virtual void give_up_connecting() = 0;
  virtual void send_head(const OutgoingRequest& request) = 0;
  // As ClientStream::send_body: true when the kernel has taken everything so far, else on_request_drained()
  // follows. What can't be sent because the server no longer reads is dropped, since its response may still
  // come.
  virtual bool send_body(std::string_view data, bool last, std::span<const http::Field> trailers = {}) = 0;
  virtual void pause_response(bool paused) = 0;
  // The server has failed it, not by connecting. Whether `retries` of the configuration, and its budget, let
  // another request go on to another server; then that counts. Whether anything may be sent twice is for the
  // caller to know. `status` is what the server answered, for RetryCause::status.
  virtual bool may_retry(RetryCause cause, int status = 0) = 0;
  // What came of the response's head was nothing, for longer than it may take: that counts against the
  // server. To be followed by abort().
  virtual void head_is_overdue() = 0;
  // From on_connected() on: how much the server's kernel has taken of what its connection has sent.
  virtual std::uint64_t acknowledged() const = 0;
  // Closes the connection so that the server sees it at once (RST), or leaves the queue. The observer hears
  // nothing more.
  virtual void abort() = 0;
  // The first byte of the request was written to a server's socket: it may have begun work.
  virtual bool sent_anything() const = 0;
  // From on_connected() on: what the server's name was looked up to; null of one without.
  virtual std::shared_ptr<const SocketAddress> address() const = 0;
};

// What the workers share of an upstream: how many connections and requests each server has, who waits for
// one, and what TLS needs. Thread-safe; no locks unless somebody waits, or a TLS connection is opened.
class SharedUpstream;
// Reads the files that `tls` names. The error names the upstream, the file and what is wrong with it.
// `before` is what it takes the place of, or null: what is known of the health of servers that both have goes
// over.
Result<std::shared_ptr<SharedUpstream>> make_shared_upstream(std::shared_ptr<const config::Upstream> config,
                                                             const SharedUpstream* before = nullptr);
// Reads them again. What is returned puts them to use. If they hold something else than before, connections
// made from then on use it, and those made before serve no further request; else these stay, with the
// sessions that new ones resume. The system's CAs count as a file does. Any thread.
Result<std::function<void()>> read_tls(std::shared_ptr<SharedUpstream> upstream);
// The same configuration as `config`.
bool is_same(const SharedUpstream& upstream, const config::Upstream& config);

// How an upstream and its servers fare now, and what came of connecting to them so far.
struct ServerState {
  std::string url;
  bool up = true;                 // as far as connections, its checks and its answers tell
  std::size_t connections = 0;    // open, or being opened
  std::size_t idle = 0;           // of them, kept for the next request
  std::size_t requests = 0;       // under way
  std::uint64_t connected = 0;    // so often, with TLS where that is asked for
  std::uint64_t unreachable = 0;  // so often not
  std::uint64_t checks_passed = 0;
  std::uint64_t checks_failed = 0;
  bool ejected = false;  // now
  std::uint64_t ejections = 0;
  std::size_t addresses = 0;          // that its name was looked up to
  std::uint64_t names_found = 0;      // so often was that done
  std::uint64_t names_not_found = 0;  // so often it could not
};
struct UpstreamState {
  std::vector<ServerState> servers;   // as in the configuration
  std::size_t queued = 0;             // requests that wait for a connection
  std::uint64_t requests_on_new = 0;  // so many had a connection made for them
  std::uint64_t requests_on_reused = 0;
  std::array<std::uint64_t, retry_cause_names.size()> retries{};  // by RetryCause
  std::uint64_t retries_over_budget = 0;                          // so many were not made
};
// Any thread.
UpstreamState state_of(const SharedUpstream& upstream);

// One worker's pool of connections to an upstream's servers.
class Upstream {
 public:
  virtual ~Upstream() = default;
  virtual const config::Upstream& config() const = 0;
  // Of its servers, in their order: what their names were looked up to last, or their fixed ones. Good until
  // the loop's next turn.
  virtual std::span<const AddressList> addresses() = 0;
  // `observer` and `tries` outlive the request.
  virtual std::unique_ptr<ServerRequest> request(ServerObserver& observer, Tries& tries,
                                                 const RequestOptions& options) = 0;
};

// To be made and destroyed on the loop's thread, or when it does not run; the loop outlives it.
std::unique_ptr<Upstream> make_upstream(net::EventLoop& loop, std::shared_ptr<SharedUpstream> shared);

}  // namespace hangup::upstream
