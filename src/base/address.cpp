#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>

#include <hangup/base/address.h>

namespace hangup {
namespace {

constexpr std::string_view unix_prefix = "unix:";

Error malformed(std::string_view text) {
  return {"`" + std::string(text) + "` is not an address: expected 127.0.0.1:8080, [::1]:8080 or unix:/path"};
}

Result<SocketAddress> parse_unix(std::string_view text) {
  const std::string_view path = text.substr(unix_prefix.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.front() != '/') {
    return std::unexpected(
        Error{"`" + std::string(text) + "`: a UNIX socket needs an absolute path, unix:/run/x.sock"});
  }
  if (path.size() >= sizeof address.sun_path) {
    return std::unexpected(Error{"`" + std::string(text) + "`: the path of a UNIX socket has at most " +
                                 std::to_string(sizeof address.sun_path - 1) + " bytes"});
  }
  path.copy(address.sun_path, path.size());
  return SocketAddress(reinterpret_cast<const sockaddr*>(&address),
                       static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1));
}

}  // namespace

SocketAddress::SocketAddress(const sockaddr* address, socklen_t length)
    : size_(std::min<socklen_t>(length, sizeof storage_)) {
  std::memcpy(&storage_, address, size_);
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  if (text.starts_with(unix_prefix)) return parse_unix(text);
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::unexpected(malformed(text));
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (code != std::errc{} || end != digits.data() + digits.size()) return std::unexpected(malformed(text));

  std::string host(text.substr(0, colon));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address.sin6_addr) == 1) {
      return SocketAddress(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1) {
      return SocketAddress(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
  }
  return std::unexpected(malformed(text));
}

std::string SocketAddress::host() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, text, sizeof text);
    return text;
  }
  if (family() == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
      inet_ntop(AF_INET, &address.s6_addr[12], text, sizeof text);
    } else {
      inet_ntop(AF_INET6, &address, text, sizeof text);
    }
    return text;
  }
  return "unix";
}

std::uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
  return 0;
}

std::string SocketAddress::to_string() const {
  if (is_unix()) {
    const auto* address = reinterpret_cast<const sockaddr_un*>(&storage_);
    const std::size_t room =
        size_ > offsetof(sockaddr_un, sun_path) ? size_ - offsetof(sockaddr_un, sun_path) : 0;
    return std::string(unix_prefix) + std::string(address->sun_path, strnlen(address->sun_path, room));
  }
  const std::string name = host();
  const std::string port_text = std::to_string(port());
  return name.find(':') == std::string::npos ? name + ":" + port_text : "[" + name + "]:" + port_text;
}

}  // namespace hangup
