// A scripted HTTP/1 server: does for each request exactly what the test says, and records what it received
// and when and how the peer closed.
#pragma once

#include "support/http_message.h"
#include "support/script.h"
#include "support/socket.h"
#include "support/wait.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct ssl_ctx_st;

namespace hangup::test {

struct RequestRecord {
  std::size_t index = 0;       // among all requests of the server, in the order their heads arrived
  std::size_t connection = 0;  // its index
  std::size_t nth = 0;         // on its connection, from 0
  Message message;
  Time head_at;
  std::optional<Time> complete_at;
};

struct ConnectionRecord {
  std::size_t index = 0;
  std::string raw;  // its first bytes as received, as many as the server keeps
  std::size_t requests = 0;
  std::uint64_t sent = 0;        // bytes that its socket took
  std::optional<Closed> closed;  // how the peer ended it; nothing if it did not, or this side was first
  Time accepted_at;
  Time closed_at;
  bool ended_here = false;  // the script closed it
  std::string malformed;    // why what was received is not HTTP; "" if it is
  // With TLS.
  bool established = false;  // the handshake was done
  bool resumed = false;      // it resumed a session
  std::string server_name;   // by SNI
  std::string client;        // its certificate's common name
  std::string tls_failure;   // "" if nothing
};

// Threads: one of its own serves all connections, 10,000 and more; every function may be called from any
// thread. What is waited for and does not come throws TimedOut. A FIN of the peer ends the connection here
// too. The destructor fails the test if a peer sent something that is not HTTP.
class MockUpstream {
 public:
  // Runs on the server's thread; must not call the server.
  using Handler = std::function<Script(const RequestRecord&)>;
  struct Options {
    std::string address = "127.0.0.1:0";
    BufferSizes buffers = {};  // of its connections
    std::size_t keep =
        MessageReader::default_keep;  // bytes kept of each body and of each connection's raw bytes
    bool may_be_malformed = false;
    std::shared_ptr<ssl_ctx_st> tls = nullptr;  // of the server's side, for https
  };

  MockUpstream();
  explicit MockUpstream(const Options& options);
  ~MockUpstream();

  std::string url() const;        // "http://127.0.0.1:40123", https with TLS, or "unix:/tmp/x.sock"
  std::string authority() const;  // "127.0.0.1:40123"
  SocketAddress where() const;

  // Requests for exactly this path, without a query; to be set before they come. Without either: 200 with the
  // body "ok".
  void on(std::string path, Script script);
  void on(std::string path, Handler handler);
  void otherwise(Script script);
  void otherwise(Handler handler);

  // Stepping by hand: appends to what the request's connection has still to do. No effect if it has ended.
  void act(const RequestRecord& request, const Script& script);
  void send(const RequestRecord& request, std::string bytes) {
    act(request, Script().send(std::move(bytes)));
  }
  void close(const RequestRecord& request) { act(request, Script().close()); }
  void reset(const RequestRecord& request) { act(request, Script().reset()); }
  void open(const std::string& gate);

  // The n-th request for that path, counted from 1: its head has come.
  RequestRecord wait_for_request(std::string_view path, std::size_t n = 1) const;
  RequestRecord wait_for_whole_request(std::string_view path, std::size_t n = 1) const;
  RequestRecord wait_for_body(std::string_view path, std::uint64_t bytes, std::size_t n = 1) const;
  void wait_for_requests(std::size_t n) const;  // heads, in all
  // The request's connection was ended by its peer.
  ConnectionRecord wait_for_close(const RequestRecord& request) const;
  void wait_for_closes(std::size_t n) const;  // connections ended by their peers, in all

  std::vector<RequestRecord> requests() const;
  std::vector<ConnectionRecord> connections() const;
  std::size_t request_count() const;
  std::size_t close_count() const;
  std::size_t open_connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// One script after the other, the last one again and again.
MockUpstream::Handler in_turn(std::vector<Script> scripts);

}  // namespace hangup::test
