#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>

#include <hangup/base/network.h>

namespace hangup {
namespace {

using Bytes16 = std::array<std::uint8_t, 16>;

constexpr Bytes16 mapped_ipv4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned mapped_bits = 96;

bool is_mapped_ipv4(const Bytes16& bytes) {
  return std::equal(bytes.begin(), bytes.begin() + mapped_bits / 8, mapped_ipv4.begin());
}

// The last four bytes as the first, the rest cleared.
Bytes16 unmapped(const Bytes16& bytes) {
  Bytes16 out{};
  std::copy(bytes.begin() + mapped_bits / 8, bytes.end(), out.begin());
  return out;
}

std::uint8_t mask_of_byte(unsigned prefix, std::size_t index) {
  const auto before = static_cast<unsigned>(index) * 8;
  if (prefix >= before + 8) return 0xff;
  if (prefix <= before) return 0;
  return static_cast<std::uint8_t>(0xff00U >> (prefix - before));
}

Bytes16 masked(Bytes16 bytes, unsigned prefix) {
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] &= mask_of_byte(prefix, i);
  return bytes;
}

std::string written(int family, const Bytes16& bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family, bytes.data(), text, sizeof text);
  return text;
}

std::optional<unsigned> parse_prefix(std::string_view text, unsigned most) {
  unsigned prefix = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), prefix);
  const bool padded = text.size() > 1 && text.front() == '0';
  if (code != std::errc{} || end != text.data() + text.size() || padded || prefix > most) return std::nullopt;
  return prefix;
}

}  // namespace

bool Network::parse_host(std::string_view text, Host& host) {
  host = {};
  if (text == "unix") return true;
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.empty() || text.size() >= sizeof terminated) return false;
  text.copy(terminated, text.size());
  if (std::memchr(terminated, 0, text.size()) != nullptr) return false;
  if (inet_pton(AF_INET, terminated, host.bytes.data()) == 1) {
    host.family = Family::ipv4;
    return true;
  }
  if (inet_pton(AF_INET6, terminated, host.bytes.data()) != 1) return false;
  host.family = Family::ipv6;
  return true;
}

Result<Network> Network::parse(std::string_view text) {
  const std::string quoted = "`" + std::string(text) + "`";
  const std::size_t slash = text.find('/');
  Network network;
  if (!parse_host(text.substr(0, slash), network.first_) ||
      (network.first_.family == Family::unix_socket && slash != std::string_view::npos)) {
    return std::unexpected(
        Error{quoted + " is not a network: expected 10.0.0.0/8, 2001:db8::/32, one address, or unix"});
  }
  Host& first = network.first_;
  if (first.family == Family::unix_socket) return network;
  const unsigned most = first.family == Family::ipv4 ? 32 : 128;
  network.prefix_ = most;
  if (slash != std::string_view::npos) {
    const auto prefix = parse_prefix(text.substr(slash + 1), most);
    if (!prefix) {
      return std::unexpected(
          Error{quoted + ": after the slash stands how many bits are fixed, 0 to " + std::to_string(most)});
    }
    network.prefix_ = *prefix;
  }
  const Bytes16 lowest = masked(first.bytes, network.prefix_);
  if (lowest != first.bytes) {
    const int family = first.family == Family::ipv4 ? AF_INET : AF_INET6;
    return std::unexpected(Error{quoted + " has bits beyond its prefix: write " + written(family, lowest) +
                                 "/" + std::to_string(network.prefix_) + ", or " +
                                 written(family, first.bytes) + " for that address alone"});
  }
  if (first.family == Family::ipv6 && network.prefix_ >= mapped_bits && is_mapped_ipv4(first.bytes)) {
    first = {Family::ipv4, unmapped(first.bytes)};
    network.prefix_ -= mapped_bits;
  }
  return network;
}

bool Network::host_of(const SocketAddress& address, Host& host) {
  host = {};
  switch (address.family()) {
    case AF_UNIX:
      return true;
    case AF_INET: {
      const auto* ip = reinterpret_cast<const sockaddr_in*>(address.data());
      host.family = Family::ipv4;
      std::memcpy(host.bytes.data(), &ip->sin_addr, sizeof ip->sin_addr);
      return true;
    }
    case AF_INET6: {
      const auto* ip = reinterpret_cast<const sockaddr_in6*>(address.data());
      host.family = Family::ipv6;
      std::memcpy(host.bytes.data(), &ip->sin6_addr, sizeof ip->sin6_addr);
      return true;
    }
    default:
      return false;
  }
}

bool Network::contains(const Host& host) const {
  if (host.family == Family::ipv6 && is_mapped_ipv4(host.bytes)) {
    return contains(Host{Family::ipv4, unmapped(host.bytes)});
  }
  return host.family == first_.family && masked(host.bytes, prefix_) == first_.bytes;
}

bool Network::contains(const SocketAddress& address) const {
  Host host;
  return host_of(address, host) && contains(host);
}

bool Network::contains(std::string_view text) const {
  Host host;
  return parse_host(text, host) && contains(host);
}

std::string Network::to_string() const {
  if (first_.family == Family::unix_socket) return "unix";
  const int family = first_.family == Family::ipv4 ? AF_INET : AF_INET6;
  return written(family, first_.bytes) + "/" + std::to_string(prefix_);
}

bool Networks::contains(const SocketAddress& address) const {
  Network::Host host;
  if (networks_.empty() || !Network::host_of(address, host)) return false;
  return std::ranges::any_of(networks_, [&](const Network& network) { return network.contains(host); });
}

bool Networks::contains(std::string_view text) const {
  Network::Host host;
  if (networks_.empty() || !Network::parse_host(text, host)) return false;
  return std::ranges::any_of(networks_, [&](const Network& network) { return network.contains(host); });
}

}  // namespace hangup
