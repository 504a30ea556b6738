// What the calls of a cleanup need beside the delivery, and what is never stored with it: its signing keys,
// how TLS is spoken to its receiver, and which addresses that may have. Looked up by names for each attempt,
// so that a rotated key counts at once.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/network.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/net/tls.h>

namespace hangup::cleanup {

// Immutable; any thread.
class Credentials {
 public:
  struct Entry {
    std::vector<std::string> signing_keys;      // the newest first
    std::shared_ptr<const net::TlsClient> tls;  // null: the upstream's, else the system's trust
    // By upstream, where both have files of their own: what `tls` leaves open is the upstream's.
    std::map<std::string, std::shared_ptr<const net::TlsClient>, std::less<>> at_upstream;
    std::string server_name;        // to verify; "" for the delivery's or the URL's host
    std::optional<Networks> allow;  // addresses that may be connected to; nullopt for all
    bool own_tls = false;           // `tls` or the name is its own
    bool own_allow = false;
  };

  // The error names the cleanup or upstream, the file and what is wrong with it.
  static Result<std::shared_ptr<const Credentials>> load(const config::Config& config,
                                                         const Credentials* before = nullptr);

  // Of a name that the configuration does not have any more: no keys, nothing of its own.
  const Entry& of(std::string_view cleanup) const;

  // For a delivery by https to `host`: the cleanup's own settings, and for what it has none those of the
  // upstream that the delivery goes to.
  std::shared_ptr<net::TlsPeer> make_peer(const Delivery& delivery, const std::string& host) const;
  // What of the delivery's settings is not everybody's: connections are shared only where this is the same.
  std::string kinship(const Delivery& delivery, bool https) const;

 private:
  void keep_removed(const Credentials& before);
  const std::shared_ptr<const net::TlsClient>& system() const;

  mutable std::once_flag system_wanted_;
  mutable std::shared_ptr<const net::TlsClient> system_;  // by system() only
  Entry defaults_;
  std::map<std::string, Entry, std::less<>> by_name_;
  std::map<std::string, std::shared_ptr<const net::TlsClient>, std::less<>> upstreams_;
};

}  // namespace hangup::cleanup
