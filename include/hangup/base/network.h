// Sets of addresses, as a configuration names them: who is trusted, who is let in.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/base/error.h>

namespace hangup {

// One address or all that share a prefix; or every peer of a UNIX socket. IPv4 and IPv6 are apart: ::/0 has
// no IPv4 address in it. An IPv4 address mapped into IPv6 (::ffff:10.0.0.1) is the IPv4 address. A value.
class Network {
 public:
  // "10.0.0.0/8", "2001:db8::/32", "127.0.0.1", "::1", "unix". The error says what is wrong and what to
  // write.
  static Result<Network> parse(std::string_view text);

  bool contains(const SocketAddress& address) const;
  // As SocketAddress::host() writes it: "10.1.2.3", "::1", "unix". Anything else is in no network.
  bool contains(std::string_view host) const;
  // As parse() takes it, with the prefix always.
  std::string to_string() const;

 private:
  enum class Family : std::uint8_t { ipv4, ipv6, unix_socket };
  // An address with its family; IPv4 has the first four bytes.
  struct Host {
    Family family = Family::unix_socket;
    std::array<std::uint8_t, 16> bytes{};
  };
  friend class Networks;
  static bool parse_host(std::string_view text, Host& host);
  static bool host_of(const SocketAddress& address, Host& host);
  bool contains(const Host& host) const;

  Host first_;
  unsigned prefix_ = 0;
};

// A list of them; empty, it contains nobody.
class Networks {
 public:
  Networks() = default;
  explicit Networks(std::vector<Network> networks) : networks_(std::move(networks)) {}

  void add(const Network& network) { networks_.push_back(network); }
  bool empty() const { return networks_.empty(); }
  const std::vector<Network>& list() const { return networks_; }

  // As Network has it.
  bool contains(const SocketAddress& address) const;
  bool contains(std::string_view host) const;

 private:
  std::vector<Network> networks_;
};

}  // namespace hangup
