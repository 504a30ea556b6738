#include "support/tls_client.h"

#include "support/wait.h"

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace hangup::test {
namespace {

void wait_for(const Fd& socket, short events, const char* what) {
  pollfd watched{.fd = socket.get(), .events = events, .revents = 0};
  if (::poll(&watched, 1, static_cast<int>(std::chrono::milliseconds(patience).count())) <= 0)
    throw TimedOut(what);
}

std::string wire_protocols(const std::string& names) {
  std::string out;
  for (std::size_t start = 0; start <= names.size();) {
    const std::size_t end = std::min(names.find(',', start), names.size());
    out += static_cast<char>(end - start);
    out += names.substr(start, end - start);
    start = end + 1;
  }
  return out;
}

}  // namespace

TlsClient::TlsClient(const SocketAddress& server, TlsOptions options, const BufferSizes& buffers)
    : options_(std::move(options)),
      socket_(connect_to(server, buffers)),
      context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_security_level(context, 0);  // to be able to offer what is too old
  if (options_.version != 0) {
    SSL_CTX_set_min_proto_version(context, options_.version);
    SSL_CTX_set_max_proto_version(context, options_.version);
  }
  if (!options_.ciphers.empty()) SSL_CTX_set_cipher_list(context, options_.ciphers.c_str());
  if (options_.ca != nullptr) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), options_.ca->certificate.get());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  if (options_.identity != nullptr) {
    SSL_CTX_use_certificate(context, options_.identity->certificate.get());
    SSL_CTX_use_PrivateKey(context, options_.identity->key.get());
  }
  // Freed without a goodbye, it would forbid its session to be resumed.
  ssl_ = {SSL_new(context), [](SSL* over) {
            SSL_set_shutdown(over, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
            SSL_free(over);
          }};
  SSL* ssl = ssl_.get();
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl);
  if (!options_.server_name.empty()) {
    SSL_set_tlsext_host_name(ssl, options_.server_name.c_str());
    if (options_.ca != nullptr) SSL_set1_host(ssl, options_.server_name.c_str());
  }
  if (!options_.protocols.empty()) {
    const std::string wire = wire_protocols(options_.protocols);
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(wire.data()),
                        static_cast<unsigned>(wire.size()));
  }
  if (options_.session) SSL_set_session(ssl, options_.session.get());
}

void TlsClient::send_plain(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t most = options_.piece != 0 ? std::min(options_.piece, bytes.size()) : bytes.size();
    const ssize_t size = ::send(socket_.get(), bytes.data(), most, MSG_NOSIGNAL);
    if (size >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno != EAGAIN) {
      throw_errno("send");
    } else {
      wait_for(socket_, POLLOUT, "the server to take bytes");
    }
  }
}

// What OpenSSL has written. A server that has gone is noticed by reading.
void TlsClient::send_out() {
  BIO* out = SSL_get_wbio(ssl_.get());
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (bytes.empty()) return;
  BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  try {
    send_plain(bytes);
  } catch (const std::system_error&) {
  }
}

// Waits for bytes; false at the end of the connection.
bool TlsClient::take_in() {
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size > 0) {
      BIO_write(SSL_get_rbio(ssl_.get()), buffer.data(), static_cast<int>(size));
      return true;
    }
    if (size == 0 || errno != EAGAIN) {
      end_ = size == 0 ? End::cut : End::reset;
      return false;
    }
    wait_for(socket_, POLLIN, "bytes from the server");
  }
}

bool TlsClient::handshake() {
  for (;;) {
    ERR_clear_error();
    const int returned = SSL_do_handshake(ssl_.get());
    send_out();
    if (returned == 1) return true;
    if (SSL_get_error(ssl_.get(), returned) != SSL_ERROR_WANT_READ) {
      const char* reason = ERR_reason_error_string(ERR_peek_error());
      failure_ = reason != nullptr ? reason : "unknown";
      return false;
    }
    if (!take_in()) {
      failure_ = "closed";
      return false;
    }
  }
}

bool TlsClient::renegotiate() {
  if (SSL_renegotiate(ssl_.get()) != 1) throw std::runtime_error("the client itself does not renegotiate");
  return handshake();
}

void TlsClient::renew_keys() {
  if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) != 1)
    throw std::runtime_error("the client itself does not renew keys");
}

std::string TlsClient::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

bool TlsClient::server_is(const std::string& name) const {
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate != nullptr && X509_check_host(certificate, name.data(), name.size(), 0, nullptr) == 1;
}

int TlsClient::server_key() const {
  return EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(ssl_.get())));
}

std::shared_ptr<SSL_SESSION> TlsClient::session() const {
  return {SSL_get1_session(ssl_.get()), SSL_SESSION_free};
}

void TlsClient::send(std::string_view bytes) {
  std::size_t written = 0;
  ERR_clear_error();
  if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1 || written != bytes.size()) {
    throw std::runtime_error("TLS takes no more");
  }
  send_out();
}

// Adds to `read_`; false at the end.
bool TlsClient::read_some() {
  std::array<char, 16 * 1024> buffer;
  while (!end_) {
    std::size_t count = 0;
    ERR_clear_error();
    if (SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &count) == 1) {
      read_.append(buffer.data(), count);
      return true;
    }
    const int error = SSL_get_error(ssl_.get(), 0);
    send_out();
    if (error == SSL_ERROR_ZERO_RETURN) {
      end_ = End::close_notify;
    } else if (error != SSL_ERROR_WANT_READ) {
      const char* reason = ERR_reason_error_string(ERR_peek_error());
      failure_ = reason != nullptr ? reason : "unknown";
      end_ = End::cut;
    } else {
      take_in();
    }
  }
  return false;
}

std::string TlsClient::read_until(std::string_view end) {
  while (read_.find(end) == std::string::npos) {
    if (!read_some()) throw std::runtime_error("the server closed; it had sent: " + read_);
  }
  return std::exchange(read_, {});
}

std::string TlsClient::read_to_end() {
  while (read_some()) {
  }
  return std::exchange(read_, {});
}

void TlsClient::say_goodbye() {
  SSL_shutdown(ssl_.get());
  send_out();
}

void TlsClient::fin() {
  if (::shutdown(socket_.get(), SHUT_WR) != 0) throw_errno("shutdown");
}

void TlsClient::close() {
  say_goodbye();
  socket_.close();
}

void TlsClient::reset() {
  close_with_reset(socket_);
}

}  // namespace hangup::test
