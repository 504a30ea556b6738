// What the calls of a cleanup need beside the delivery, and what is never stored with it: its signing keys,
// and how TLS is spoken to its receiver. Looked up by the cleanup's name for each attempt, so that a rotated
// key counts at once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/cleanup/cleanup.h>
#include <hangup/net/tls.h>

namespace hangup::cleanup {

// Immutable; any thread.
class Credentials {
 public:
  struct Entry {
    std::vector<std::string> signing_keys;      // the newest first
    std::shared_ptr<const net::TlsClient> tls;  // never null
    std::string server_name;                    // to verify; "" for the URL's host
    bool own_tls = false;                       // `tls` or the name is not everybody's
  };

  // The error names the cleanup, the file and what is wrong with it.
  static Result<std::shared_ptr<const Credentials>> load(
      const std::vector<std::shared_ptr<const config::Cleanup>>& cleanups);

  // Of a name that the configuration does not have any more: no keys, and the system's trust.
  const Entry& of(std::string_view cleanup) const;

 private:
  Entry defaults_;
  std::map<std::string, Entry, std::less<>> by_name_;
};

}  // namespace hangup::cleanup
