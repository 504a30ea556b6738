// TLS for a Transport, by OpenSSL: what we trust and who we are (TlsClient), the peer that we connect to,
// with the session that a next connection resumes (TlsPeer), and the state of one connection (TlsConnection),
// of which TlsServer (tls_server.h) makes those that came to us.
//
// TLS 1.2 and 1.3, without renegotiation. A peer that we connect to is always verified: its chain, and its
// name or address.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <hangup/base/error.h>
#include <hangup/net/transport.h>

struct ssl_ctx_st;
struct ssl_st;
struct ssl_session_st;

namespace hangup::net {

class TlsConnection;
class TlsServer;

// Immutable; any thread.
//
// What the system trusts is what OpenSSL takes for that: a file (SSL_CERT_FILE) and directories of files with
// hashed names (SSL_CERT_DIR). The file is read when this is made. In a directory is looked when a chain
// needs it, so that a CA which is added there counts at once; one that was used counts for as long as this is
// there.
class TlsClient {
 public:
  struct Options {
    std::filesystem::path ca;           // PEM, one or more; empty: what the system trusts
    std::filesystem::path certificate;  // PEM, our own first and then its chain; empty for none
    std::filesystem::path key;          // PEM, not encrypted; empty: in the certificate's file
  };
  // The error names the file and what is wrong with it.
  static Result<std::shared_ptr<const TlsClient>> make(const Options& options);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // Both trust the same and show the same: by the certificates that were read when they were made, the
  // system's included, not by their files' names and times.
  bool is_same(const TlsClient& other) const { return fingerprint_ == other.fingerprint_; }

 private:
  friend class TlsPeer;
  explicit TlsClient(ssl_ctx_st* context) : context_(context) {}
  Result<void> load(const Options& options);

  ssl_ctx_st* context_;
  std::array<unsigned char, 32> fingerprint_{};
};

// Threading: belongs to one thread, as its connections do.
class TlsPeer : public std::enable_shared_from_this<TlsPeer> {
 public:
  // `name` is what the peer's certificate has to be for, a host's name or an IP address (without brackets).
  TlsPeer(std::shared_ptr<const TlsClient> client, std::string name);
  ~TlsPeer();
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  // For Transport::start_tls(). REQUIRES: this is held by a shared_ptr.
  std::unique_ptr<TlsConnection> connect();
  // Takes over a reference to what the next connection offers to resume.
  void keep_session(ssl_session_st* session);
  const std::string& name() const { return name_; }

 private:
  std::shared_ptr<const TlsClient> client_;
  std::string name_;
  ssl_session_st* session_ = nullptr;
};

// What a Transport with TLS does its reading and writing by. The meaning of results is the Transport's.
class TlsConnection {
 public:
  // Takes over the session, which knows its side already.
  TlsConnection(ssl_st* session, std::shared_ptr<TlsPeer> peer);
  TlsConnection(ssl_st* session, std::shared_ptr<const TlsServer> server);
  ~TlsConnection();
  TlsConnection(const TlsConnection&) = delete;
  TlsConnection& operator=(const TlsConnection&) = delete;

  void attach(int fd) { wire_.fd = fd; }
  // Goes on with it; ok when it is done.
  IoResult handshake();
  IoResult read(std::span<char> into);
  IoResult write(std::span<const iovec> pieces);
  // Tells the peer that nothing more comes, if that can be said without waiting.
  void say_goodbye();
  // From now on say_goodbye() says nothing: the connection is to be reset.
  void say_nothing();
  // Nothing more can be read.
  bool over() const { return over_.status != IoResult::Status::ok; }
  // It ended with the peer's close_notify. Without it, anybody on the way may have cut off what was to come:
  // a message that only the end of its connection ends is whole only if this is true.
  bool ended_cleanly() const { return over_.status == IoResult::Status::end && !wire_.end; }
  // What the socket's readiness means for reading and writing: one may have been waiting for the other.
  Readiness translate(Readiness ready) const;
  // Why it failed, for people; "" when that was not TLS.
  const std::string& failure() const { return failure_; }
  // After the handshake.
  bool resumed() const;
  std::string_view version() const;   // "TLSv1.3"; a constant, as is the cipher
  std::string_view cipher() const;    // "TLS_AES_256_GCM_SHA384"
  std::string_view protocol() const;  // what ALPN has chosen, "http/1.1"; "" without; good while this is
  // Of the certificate that the peer has shown, and that was verified, as RFC 4514 writes it, in ASCII; ""
  // without.
  std::string peer_subject() const;
  // Whose connection it is: one of them is null.
  TlsPeer* peer() const { return peer_.get(); }
  const TlsServer* server() const { return server_.get(); }

  // The socket, as OpenSSL's callbacks see it.
  struct Wire {
    int fd = -1;
    int error = 0;  // errno of the failure, if there was one
    bool end = false;
    std::uint64_t records = 0;  // read
    std::uint64_t last_with_data = 0;
    std::uint64_t records_without_data() const { return records - last_with_data; }
  };

 private:
  void use_wire();
  // Of an OpenSSL call that has not succeeded.
  IoResult outcome(int returned, bool* wants_read, bool* wants_write);
  void explain();

  ssl_st* ssl_;
  std::shared_ptr<TlsPeer> peer_;
  std::shared_ptr<const TlsServer> server_;
  Wire wire_;
  bool established_ = false;
  bool read_wants_write_ = false;
  bool write_wants_read_ = false;
  // The socket takes no more. What the peer has said before it closed is still to be read.
  int write_error_ = 0;
  IoResult over_;  // end or failed, for good; else ok
  std::string failure_;
};

}  // namespace hangup::net
