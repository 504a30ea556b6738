// The server's side of TLS on a non-blocking socket, for the mock upstream: reads and writes as recv() and
// send() do.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace hangup::test {

class MockTls {
 public:
  MockTls(SSL_CTX* context, int fd);

  // The handshake is made on the way. errno is EPROTO for a fault of TLS, which failure() names.
  ssize_t receive(std::span<char> into);
  ssize_t send(std::string_view bytes);
  void send_close_notify();
  // TLS 1.3: new keys, which the peer is to change too. Goes out with the next bytes.
  void update_keys();

  bool established() const;
  bool resumed() const;
  std::string server_name() const;  // by SNI; "" for none
  // The common name of the client's certificate; "" for none.
  std::string client() const;
  const std::string& failure() const { return failure_; }

 private:
  ssize_t outcome(int returned);

  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  std::string failure_;
};

}  // namespace hangup::test
