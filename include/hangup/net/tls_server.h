// The server's side of TLS: who we are to clients, what we want to know of them, and the connections that
// come of it. TLS 1.2, with forward secrecy and authenticated encryption only, and 1.3; no renegotiation, no
// compression, no early data.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/net/tls.h>

namespace hangup::net {

// Immutable; any thread. Connections hold it, so that it can be replaced by another at any time. Sessions are
// resumed by tickets, whose keys are its own: none that another one made is taken, which may have trusted
// other clients.
class TlsServer : public std::enable_shared_from_this<TlsServer> {
 public:
  struct Certificate {
    std::filesystem::path certificate;  // PEM, with its chain behind it
    std::filesystem::path key;          // PEM, not encrypted
  };
  struct Options {
    // At least one. The client's SNI chooses among them by the names in them, exact ones before wildcards;
    // for one name there may be several with different kinds of keys. The first is for everybody else.
    std::vector<Certificate> certificates;
    std::filesystem::path client_ca;          // PEM; empty: clients are not asked for certificates
    bool client_certificate_required = true;  // where they are asked; one that is shown is always verified
    bool only_tls13 = false;
    std::vector<std::string>
        protocols;  // for ALPN, the best first; a client that offers others only is refused
  };
  // The error names the file and what is wrong with it.
  static Result<std::shared_ptr<const TlsServer>> make(const Options& options);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  // For Transport::start_tls().
  std::unique_ptr<TlsConnection> accept() const;
  // What somebody has to do about certificates that have expired or end within two weeks, one sentence each.
  std::vector<std::string> warnings(WallTime now) const;

 private:
  class Impl;
  explicit TlsServer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace hangup::net
