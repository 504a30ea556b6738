#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include <hangup/net/proxy_protocol.h>

namespace hangup::net {
namespace {

constexpr std::string_view text_start = "PROXY ";
constexpr std::size_t most_text = 107;  // with its CRLF
constexpr std::string_view signature = std::string_view("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t fixed_size = 16;  // the signature, version and command, family and protocol, length
constexpr std::uint8_t tlv_crc32c = 0x03;
constexpr std::size_t tlv_start = 3;  // type and length

using Parsed = Result<ProxyHeader>;

Parsed bad(const char* what) {
  return std::unexpected(Error{std::string("PROXY protocol: ") + what});
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t number_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

template <typename Sockaddr>
SocketAddress address_of(const Sockaddr& address) {
  return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

SocketAddress ipv4(std::string_view host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  std::memcpy(&address.sin_addr, host.data(), sizeof address.sin_addr);
  return address_of(address);
}

SocketAddress ipv6(std::string_view host, std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  std::memcpy(&address.sin6_addr, host.data(), sizeof address.sin6_addr);
  return address_of(address);
}

// Somebody on the proxy's machine; which one is of no use here.
SocketAddress somebody_local() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  return {reinterpret_cast<const sockaddr*>(&address), sizeof(sa_family_t)};
}

// ---- Version 1

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool padded = text.size() > 1 && text.front() == '0';
  if (code != std::errc{} || end != text.data() + text.size() || padded) return std::nullopt;
  return port;
}

std::optional<SocketAddress> parse_host(std::string_view text, std::string_view port_text, bool v6) {
  const auto port = parse_port(port_text);
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (!port || text.size() >= terminated.size()) return std::nullopt;
  std::ranges::copy(text, terminated.begin());
  std::array<char, sizeof(in6_addr)> bytes{};
  if (inet_pton(v6 ? AF_INET6 : AF_INET, terminated.data(), bytes.data()) != 1) return std::nullopt;
  const std::string_view host(bytes.data(), bytes.size());
  return v6 ? ipv6(host, *port) : ipv4(host, *port);
}

// `line` is what stands between "PROXY " and the end of the line.
Parsed parse_text(std::string_view line, std::size_t size) {
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return ProxyHeader{size, true, true, {}, {}};
  std::array<std::string_view, 5> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t space = line.find(' ');
    if ((space == std::string_view::npos) != (i + 1 == words.size())) {
      return bad("expected a protocol, two addresses and two ports");
    }
    words[i] = line.substr(0, space);
    line.remove_prefix(std::min(line.size(), words[i].size() + 1));
  }
  const auto& [protocol, source, destination, source_port, destination_port] = words;
  const bool v6 = protocol == "TCP6";
  if (!v6 && protocol != "TCP4") return bad("expected TCP4, TCP6 or UNKNOWN");
  const auto from = parse_host(source, source_port, v6);
  const auto to = parse_host(destination, destination_port, v6);
  if (!from || !to) return bad("an address or port is not one of its protocol");
  return ProxyHeader{size, false, false, *from, *to};
}

Parsed parse_version1(std::string_view bytes) {
  const std::string_view most = bytes.substr(0, most_text);
  const std::size_t end = most.find('\n');
  if (end == std::string_view::npos) {
    if (most.size() == most_text) return bad("the line is longer than 107 bytes");
    return ProxyHeader{};
  }
  if (most[end - 1] != '\r') return bad("the line does not end in CRLF");
  const std::string_view line = most.substr(text_start.size(), end - 1 - text_start.size());
  if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) {
    return bad("the line has a byte in it that can't be there");
  }
  return parse_text(line, end + 1);
}

// ---- Version 2

constexpr std::array<std::uint32_t, 256> make_crc32c_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1U) != 0 ? value >> 1U ^ 0x82f63b78U : value >> 1U;
    table[i] = value;
  }
  return table;
}

// The checksum is of the whole header, with zeros where it stands itself.
bool checksum_fits(std::string_view header, std::size_t at) {
  std::string zeroed(header);
  std::fill_n(zeroed.begin() + static_cast<std::ptrdiff_t>(at), 4, '\0');
  const std::uint32_t said =
      std::uint32_t{number_at(header, at)} << 16 | std::uint32_t{number_at(header, at + 2)};
  return crc32c(zeroed) == said;
}

// The extensions, from `at` to the end of the header; what they say is not used, except for a checksum.
std::optional<const char*> fault_of_extensions(std::string_view header, std::size_t at) {
  bool summed = false;
  while (at < header.size()) {
    if (header.size() - at < tlv_start) return "an extension is cut short";
    const std::size_t length = number_at(header, at + 1);
    if (header.size() - at - tlv_start < length) return "an extension is longer than the header";
    if (byte_at(header, at) == tlv_crc32c) {
      if (length != 4 || summed) return "expected one checksum of four bytes";
      if (!checksum_fits(header, at + tlv_start)) return "the checksum is wrong";
      summed = true;
    }
    at += tlv_start + length;
  }
  return std::nullopt;
}

enum class Carried : std::uint8_t { unspecified = 0x00, tcp4 = 0x11, tcp6 = 0x21, unix_stream = 0x31 };

std::optional<std::size_t> size_of_addresses(std::uint8_t carried) {
  switch (static_cast<Carried>(carried)) {
    case Carried::unspecified:
      return 0;
    case Carried::tcp4:
      return 12;
    case Carried::tcp6:
      return 36;
    case Carried::unix_stream:
      return 216;
  }
  return std::nullopt;
}

Parsed parse_version2(std::string_view bytes) {
  if (bytes.size() > 12 && byte_at(bytes, 12) >> 4 != 2) return bad("the version is not 2");
  if (bytes.size() > 12 && (byte_at(bytes, 12) & 0x0f) > 1)
    return bad("the command is neither LOCAL nor PROXY");
  if (bytes.size() < fixed_size) return ProxyHeader{};
  const std::size_t size = fixed_size + number_at(bytes, 14);
  if (size > most_proxy_header) return bad("the header is longer than 4 KiB");
  const bool is_local = (byte_at(bytes, 12) & 0x0f) == 0;
  const auto carried = static_cast<Carried>(byte_at(bytes, 13));
  const auto addresses = size_of_addresses(byte_at(bytes, 13));
  if (!is_local && !addresses) return bad("what it carries is not a stream over TCP or a UNIX socket");
  if (!is_local && size < fixed_size + *addresses) return bad("the header is too short for its addresses");
  if (bytes.size() < size) return ProxyHeader{};
  if (is_local || carried == Carried::unspecified) return ProxyHeader{size, true, !is_local, {}, {}};

  const std::string_view header = bytes.substr(0, size);
  if (const auto fault = fault_of_extensions(header, fixed_size + *addresses)) return bad(*fault);
  ProxyHeader parsed{size, false, false, somebody_local(), somebody_local()};
  if (carried == Carried::tcp4) {
    parsed.source = ipv4(header.substr(16, 4), number_at(header, 24));
    parsed.destination = ipv4(header.substr(20, 4), number_at(header, 26));
  } else if (carried == Carried::tcp6) {
    parsed.source = ipv6(header.substr(16, 16), number_at(header, 48));
    parsed.destination = ipv6(header.substr(32, 16), number_at(header, 50));
  }
  return parsed;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = make_crc32c_table();
  std::uint32_t value = 0xffffffffU;
  for (const char c : bytes) value = value >> 8U ^ table[(value ^ static_cast<std::uint8_t>(c)) & 0xffU];
  return ~value;
}

Result<ProxyHeader> parse_proxy_header(std::string_view bytes) {
  for (const std::string_view start : {text_start, signature}) {
    const std::size_t common = std::min(bytes.size(), start.size());
    if (bytes.substr(0, common) != start.substr(0, common)) continue;
    if (common < start.size()) return ProxyHeader{};
    return start == signature ? parse_version2(bytes) : parse_version1(bytes);
  }
  return bad("the connection begins with something else");
}

}  // namespace hangup::net
