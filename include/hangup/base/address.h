// Where a socket listens or connects to: TCP over IPv4 or IPv6, or a UNIX socket.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/error.h>

namespace hangup {

// A value; about 130 bytes.
class SocketAddress {
 public:
  SocketAddress() = default;
  SocketAddress(const sockaddr* address, socklen_t length);

  // "127.0.0.1:8080", "[::1]:8080", "unix:/run/x.sock"; numbers only, names are not looked up. The error says
  // what was expected.
  static Result<SocketAddress> parse(std::string_view text);

  int family() const { return storage_.ss_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  // The host alone ("127.0.0.1", "::1"), "unix" for a UNIX socket.
  std::string host() const;
  // 0 for a UNIX socket.
  std::uint16_t port() const;
  // As parse() takes it.
  std::string to_string() const;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) {
    return a.size_ == b.size_ && std::memcmp(&a.storage_, &b.storage_, a.size_) == 0;
  }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

// Where a server is, by its name or as it was given. Immutable, and so shared by threads.
using AddressList = std::shared_ptr<const std::vector<SocketAddress>>;

}  // namespace hangup
