// A scripted client that speaks TLS, by OpenSSL, on a socket of its own: so it can say any bytes before,
// inside and instead of TLS, in pieces, and leave in every way there is.
#pragma once

#include "support/certificates.h"
#include "support/socket.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hangup::test {

struct TlsOptions {
  std::string server_name = "localhost";  // as SNI, and to verify; empty: none is sent
  const Identity* ca = nullptr;           // of the server; null: it is not verified
  const Identity* identity = nullptr;     // to show when asked
  std::string protocols;                  // for ALPN, comma-separated
  int version = 0;                        // the only one that is offered
  std::string ciphers;                    // of TLS 1.2
  std::shared_ptr<SSL_SESSION> session;   // to resume
  std::size_t piece = 0;                  // bytes sent at once
};

// Every wait is bounded by `patience` and throws TimedOut. Not thread-safe.
class TlsClient {
 public:
  explicit TlsClient(const SocketAddress& server, TlsOptions options = {}, const BufferSizes& buffers = {});

  void send_plain(std::string_view bytes);
  // False when it was refused; failure() says why.
  bool handshake();
  // With TLS 1.2. As handshake().
  bool renegotiate();
  // With TLS 1.3: new keys, also the server's.
  void renew_keys();
  const std::string& failure() const { return failure_; }
  std::string version() const { return SSL_get_version(ssl_.get()); }
  std::string protocol() const;
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  // The name that the server's certificate is for, and the kind of its key.
  bool server_is(const std::string& name) const;
  int server_key() const;
  // The newest ticket. With TLS 1.3, only when something was read.
  std::shared_ptr<SSL_SESSION> session() const;

  void send(std::string_view bytes);
  // Everything that came, when `end` is in it. Throws when the server closes before.
  std::string read_until(std::string_view end);
  // The end of the connection, and everything before it.
  enum class End { close_notify, cut, reset };
  std::string read_to_end();
  End end() const { return *end_; }

  void say_goodbye();  // close_notify alone
  void fin();          // FIN without it
  void close();        // both, or RST if something came that was not read
  void reset();
  SocketAddress local() const { return local_address(socket_); }

 private:
  void send_out();
  bool take_in();
  bool read_some();

  TlsOptions options_;
  Fd socket_;
  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
  std::string read_;
  std::string failure_;
  std::optional<End> end_;
};

}  // namespace hangup::test
