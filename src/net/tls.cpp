#include "net/fingerprint.h"
#include "net/openssl.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <hangup/net/tls.h>
#include <hangup/net/tls_server.h>

namespace hangup::net {
namespace {

using Status = IoResult::Status;

// OpenSSL goes on until it has data, or no more bytes: of a peer that keeps sending it records without any
// (KeyUpdate costs us 16 us for 27 bytes) nobody else would have a turn.
constexpr std::uint64_t most_records_without_data = 256;
// In one read, or a few more: they may have a byte each.
constexpr std::uint64_t records_per_read = 64;

bool is_address(const std::string& name) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

// The socket under OpenSSL. Its own would raise SIGPIPE.
TlsConnection::Wire& wire_of(BIO* bio) {
  return *static_cast<TlsConnection::Wire*>(BIO_get_data(bio));
}

int wire_read(BIO* bio, char* into, int size) {
  auto& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  if (wire.records_without_data() > most_records_without_data) {
    wire.error = EPROTO;
    return -1;
  }
  ssize_t count = 0;
  do {
    count = ::recv(wire.fd, into, static_cast<std::size_t>(size), 0);
  } while (count < 0 && errno == EINTR);
  if (count == 0) wire.end = true;
  if (count >= 0) return static_cast<int>(count);
  if (errno == EAGAIN) {
    BIO_set_retry_read(bio);
  } else {
    wire.error = errno;
  }
  return -1;
}

int wire_write(BIO* bio, const char* bytes, int size) {
  auto& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  ssize_t count = 0;
  do {
    count = ::send(wire.fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) return static_cast<int>(count);
  if (errno == EAGAIN) {
    BIO_set_retry_write(bio);
  } else {
    wire.error = errno;
  }
  return -1;
}

long wire_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return wire_of(bio).end ? 1 : 0;
  return 0;
}

const BIO_METHOD* wire_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hangup socket");
    if (made == nullptr) std::abort();
    BIO_meth_set_read(made, wire_read);
    BIO_meth_set_write(made, wire_write);
    BIO_meth_set_ctrl(made, wire_control);
    return made;
  }();
  return method;
}

void on_message(int sent, int, int type, const void*, std::size_t, SSL*, void* wire) {
  if (sent == 0 && type == SSL3_RT_HEADER) ++static_cast<TlsConnection::Wire*>(wire)->records;
}

// Both kinds of session: of TLS 1.2 when the handshake is done, and the tickets that TLS 1.3 sends later.
int session_made(SSL* ssl, SSL_SESSION* session) {
  static_cast<TlsConnection*>(SSL_get_app_data(ssl))->peer()->keep_session(session);
  return 1;
}

}  // namespace

Result<std::shared_ptr<const TlsClient>> TlsClient::make(const Options& options) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) return std::unexpected(Error{"cannot start TLS: " + openssl_reason()});
  const std::shared_ptr<TlsClient> client(new TlsClient(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  // A server that speaks HTTP/2 only is to say so now, not to answer in it.
  constexpr unsigned char http1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_CTX_set_alpn_protos(context, http1, sizeof http1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, session_made);
  if (auto loaded = client->load(options); !loaded) return std::unexpected(std::move(loaded.error()));
  client->fingerprint_ = fingerprint_of(context, options.ca.empty());
  return client;
}

Result<void> TlsClient::load(const Options& options) {
  ERR_clear_error();
  if (options.ca.empty()) {
    SSL_CTX_set_default_verify_paths(context_);
  } else if (SSL_CTX_load_verify_file(context_, options.ca.c_str()) != 1) {
    return openssl_refusal("the CA file", options.ca);
  }
  if (options.certificate.empty()) return {};
  return use_identity(context_, options.certificate, options.key.empty() ? options.certificate : options.key);
}

TlsClient::~TlsClient() {
  SSL_CTX_free(context_);
}

TlsPeer::TlsPeer(std::shared_ptr<const TlsClient> client, std::string name)
    : client_(std::move(client)), name_(std::move(name)) {}

TlsPeer::~TlsPeer() {
  SSL_SESSION_free(session_);
}

void TlsPeer::keep_session(ssl_session_st* session) {
  SSL_SESSION_free(std::exchange(session_, session));
}

std::unique_ptr<TlsConnection> TlsPeer::connect() {
  SSL* ssl = SSL_new(client_->context_);
  if (ssl == nullptr) std::abort();  // out of memory
  if (is_address(name_)) {
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name_.c_str()) != 1)
      std::abort();  // out of memory
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, name_.c_str()) != 1) std::abort();  // out of memory
    // A name that is too long to be one can't be sent; it is verified all the same.
    SSL_set_tlsext_host_name(ssl, name_.c_str());
  }
  if (session_ != nullptr) SSL_set_session(ssl, session_);
  SSL_set_connect_state(ssl);
  return std::make_unique<TlsConnection>(ssl, shared_from_this());
}

TlsConnection::TlsConnection(ssl_st* session, std::shared_ptr<TlsPeer> peer)
    : ssl_(session), peer_(std::move(peer)) {
  use_wire();
}

TlsConnection::TlsConnection(ssl_st* session, std::shared_ptr<const TlsServer> server)
    : ssl_(session), server_(std::move(server)) {
  use_wire();
}

void TlsConnection::use_wire() {
  BIO* bio = BIO_new(wire_method());
  if (bio == nullptr) std::abort();  // out of memory
  BIO_set_data(bio, &wire_);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  SSL_set_msg_callback(ssl_, on_message);
  SSL_set_msg_callback_arg(ssl_, &wire_);
}

TlsConnection::~TlsConnection() {
  SSL_free(ssl_);
}

bool TlsConnection::resumed() const {
  return SSL_session_reused(ssl_) == 1;
}

std::string_view TlsConnection::version() const {
  return SSL_get_version(ssl_);
}

std::string_view TlsConnection::cipher() const {
  return SSL_CIPHER_get_name(SSL_get_current_cipher(ssl_));
}

std::string_view TlsConnection::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string TlsConnection::peer_subject() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr || SSL_get_verify_result(ssl_) != X509_V_OK) return {};
  BIO* text = BIO_new(BIO_s_mem());
  if (text == nullptr) std::abort();  // out of memory
  X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text, &bytes);
  std::string subject(bytes, static_cast<std::size_t>(size));
  BIO_free(text);
  return subject;
}

IoResult TlsConnection::handshake() {
  if (over_.status != Status::ok) return over_;
  ERR_clear_error();
  const int returned = SSL_do_handshake(ssl_);
  established_ = returned == 1;
  if (established_) return {};
  bool either = false;
  const IoResult result = outcome(returned, &either, &either);
  // A close in the middle of it is no end of anything.
  if (result.status == Status::end) over_ = {Status::failed, 0, ECONNRESET};
  return over_.status == Status::ok ? result : over_;
}

IoResult TlsConnection::read(std::span<char> into) {
  std::size_t total = 0;
  const std::uint64_t enough = wire_.records + records_per_read;
  while (total < into.size() && wire_.records < enough && over_.status == Status::ok) {
    ERR_clear_error();
    std::size_t count = 0;
    const int returned = SSL_read_ex(ssl_, into.data() + total, into.size() - total, &count);
    total += count;
    if (returned == 1) {
      wire_.last_with_data = wire_.records;
      continue;
    }
    bool wants_read = false;
    read_wants_write_ = false;
    const IoResult result = outcome(returned, &wants_read, &read_wants_write_);
    if (result.status == Status::would_block) return total > 0 ? IoResult{Status::ok, total, 0} : result;
  }
  // What OpenSSL holds back causes no event.
  return total > 0 ? IoResult{.bytes = total, .more = over_.status == Status::ok} : over_;
}

IoResult TlsConnection::write(std::span<const iovec> pieces) {
  // What is in one record is gathered first. When a call is repeated OpenSSL needs what it has seen of it at
  // its front again, which is as callers do: they keep what was not taken.
  constexpr std::size_t record = 16 * 1024;
  char gathered[record];
  if (write_error_ != 0) return {Status::failed, 0, write_error_};
  std::size_t total = 0;
  std::size_t skip = 0;  // of the first piece
  const auto failed = [&](int error) { return IoResult{Status::failed, total, error}; };
  while (over_.status != Status::failed) {  // a peer that sends no more may still read
    std::size_t size = 0;
    std::size_t from = skip;
    for (const iovec& piece : pieces) {
      const std::size_t count = std::min(piece.iov_len - from, record - size);
      if (count > 0) std::memcpy(gathered + size, static_cast<const char*>(piece.iov_base) + from, count);
      size += count;
      from = 0;
    }
    if (size == 0) return {Status::ok, total, 0};
    ERR_clear_error();
    std::size_t count = 0;
    const int returned = SSL_write_ex(ssl_, gathered, size, &count);
    if (returned != 1 && SSL_get_error(ssl_, returned) == SSL_ERROR_SYSCALL) {
      write_error_ = wire_.error != 0 ? std::exchange(wire_.error, 0) : ECONNRESET;
      ERR_clear_error();
      return failed(write_error_);
    }
    if (returned != 1) {
      bool wants_write = false;
      write_wants_read_ = false;
      const IoResult result = outcome(returned, &write_wants_read_, &wants_write);
      if (result.status == Status::failed) return failed(result.error);
      return total > 0 && result.status == Status::would_block ? IoResult{Status::ok, total, 0} : result;
    }
    total += count;
    for (skip += count; !pieces.empty() && skip >= pieces.front().iov_len; pieces = pieces.subspan(1)) {
      skip -= pieces.front().iov_len;
    }
  }
  return failed(over_.error);
}

void TlsConnection::say_goodbye() {
  if (!established_ || over_.status == Status::failed || write_error_ != 0) return;
  if ((SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) != 0) return;  // again, it would wait for the peer's
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

void TlsConnection::say_nothing() {
  SSL_set_quiet_shutdown(ssl_, 1);
}

Readiness TlsConnection::translate(Readiness ready) const {
  const Readiness socket = ready;
  if (socket.writable && read_wants_write_) ready.readable = true;
  if (socket.readable && write_wants_read_) ready.writable = true;
  return ready;
}

IoResult TlsConnection::outcome(int returned, bool* wants_read, bool* wants_write) {
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      *wants_read = true;
      return {Status::would_block, 0, 0};
    case SSL_ERROR_WANT_WRITE:
      *wants_write = true;
      return {Status::would_block, 0, 0};
    case SSL_ERROR_ZERO_RETURN:
      over_ = {Status::end, 0, 0};
      break;
    case SSL_ERROR_SYSCALL:
      if (wire_.records_without_data() > most_records_without_data)
        failure_ = "TLS: the peer sends records without data, and no end of them";
      over_ = {Status::failed, 0, wire_.error != 0 ? wire_.error : ECONNRESET};
      break;
    default:
      over_ = {Status::failed, 0, EPROTO};
      explain();
      break;
  }
  ERR_clear_error();
  return over_;
}

void TlsConnection::explain() {
  const long verdict = SSL_get_verify_result(ssl_);
  if (established_ || verdict == X509_V_OK) {
    failure_ = "TLS: " + openssl_reason();
    return;
  }
  failure_ = std::string("TLS: the certificate is not accepted: ") + X509_verify_cert_error_string(verdict);
  if (peer_ != nullptr &&
      (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)) {
    failure_ += ": it is not valid for " + peer_->name();
  }
}

}  // namespace hangup::net
