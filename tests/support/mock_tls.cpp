#include "support/mock_tls.h"

#include "support/certificates.h"

#include <openssl/err.h>

#include <cerrno>

namespace hangup::test {

MockTls::MockTls(SSL_CTX* context, int fd) : ssl_(SSL_new(context), SSL_free) {
  SSL_set_fd(ssl_.get(), fd);
  SSL_set_accept_state(ssl_.get());
  SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

ssize_t MockTls::receive(std::span<char> into) {
  ERR_clear_error();
  const int size = SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
  return size > 0 ? size : outcome(size);
}

ssize_t MockTls::send(std::string_view bytes) {
  ERR_clear_error();
  const int size = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  return size > 0 ? size : outcome(size);
}

ssize_t MockTls::outcome(int returned) {
  const int saved = errno;
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_SYSCALL:
      errno = saved != 0 ? saved : ECONNRESET;
      return -1;
    default:
      break;
  }
  const unsigned long error = ERR_get_error();
  if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return 0;
  const char* reason = ERR_reason_error_string(error);
  failure_ = reason != nullptr ? reason : "unknown";
  errno = EPROTO;
  return -1;
}

void MockTls::send_close_notify() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

void MockTls::update_keys() {
  ERR_clear_error();
  SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED);
}

bool MockTls::established() const {
  return SSL_is_init_finished(ssl_.get()) == 1;
}

bool MockTls::resumed() const {
  return SSL_session_reused(ssl_.get()) == 1;
}

std::string MockTls::server_name() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

std::string MockTls::client() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate != nullptr ? common_name(*certificate) : "";
}

}  // namespace hangup::test
