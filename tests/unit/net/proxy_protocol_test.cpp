#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include <hangup/net/proxy_protocol.h>

namespace hangup::net {
namespace {

using testing::HasSubstr;

constexpr std::string_view v2_signature = std::string_view("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view v4_addresses =
    std::string_view("\xc0\x00\x02\x01\x0a\x00\x00\x02\x30\x39\x01\xbb", 12);

std::string two_bytes(std::size_t number) {
  return {static_cast<char>(number >> 8U), static_cast<char>(number & 0xffU)};
}

std::string version2(char command, char carried, const std::string& payload) {
  return std::string(v2_signature) + command + carried + two_bytes(payload.size()) + payload;
}

std::string extension(char type, const std::string& value) {
  return type + two_bytes(value.size()) + value;
}

// With a checksum, right or not, behind the addresses.
std::string summed(std::uint32_t change) {
  std::string header = version2(0x21, 0x11, std::string(v4_addresses) + extension(3, std::string(4, '\0')));
  const std::uint32_t sum = crc32c(header) ^ change;
  for (unsigned i = 0; i < 4; ++i) header[header.size() - 1 - i] = static_cast<char>(sum >> (8 * i));
  return header;
}

// Parses it, with what follows it, whole and in every piece from its beginning, which has to come to the
// same.
ProxyHeader parsed(const std::string& header) {
  for (std::size_t size = 0; size < header.size(); ++size) {
    const auto part = parse_proxy_header(std::string_view(header).substr(0, size));
    EXPECT_TRUE(part && part->size == 0) << size << " of " << testing::PrintToString(header);
  }
  const auto whole = parse_proxy_header(header + "GET / HTTP/1.1\r\n");
  EXPECT_TRUE(whole) << (whole ? "" : whole.error().message);
  EXPECT_TRUE(!whole || whole->size == header.size());
  return whole.value_or(ProxyHeader());
}

std::string error_of(const std::string& bytes) {
  const auto result = parse_proxy_header(bytes);
  return result ? "" : result.error().message;
}

TEST(ProxyProtocol, Version1SaysWhoTheClientIs) {
  const ProxyHeader v4 = parsed("PROXY TCP4 192.0.2.1 10.0.0.2 12345 443\r\n");
  EXPECT_FALSE(v4.local);
  EXPECT_EQ(v4.source.to_string(), "192.0.2.1:12345");
  EXPECT_EQ(v4.destination.to_string(), "10.0.0.2:443");
  const ProxyHeader v6 = parsed("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n");
  EXPECT_EQ(v6.source.to_string(), "[2001:db8::1]:65535");
  const std::string most = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  EXPECT_EQ(parsed("PROXY TCP6 " + most + " " + most + " 65535 65535\r\n").source.port(), 65535);
}

TEST(ProxyProtocol, Version1OfAnUnknownClientIsThePeersOwn) {
  EXPECT_TRUE(parsed("PROXY UNKNOWN\r\n").local);
  EXPECT_TRUE(parsed("PROXY UNKNOWN\r\n").unknown);
  const std::string longest = "PROXY UNKNOWN ffff::1 and anything ";
  EXPECT_TRUE(parsed(longest + std::string(107 - 2 - longest.size(), 'x') + "\r\n").local);
}

TEST(ProxyProtocol, Version1OfAnyOtherFormIsRefused) {
  for (const char* line :
       {"PROXY TCP4 192.0.2.1 10.0.0.2 12345 443\n", "PROXY TCP4 192.0.2.1 10.0.0.2 12345 443 \r\n",
        "PROXY TCP4  192.0.2.1 10.0.0.2 12345 443\r\n", "PROXY TCP4 192.0.2.1 10.0.0.2 12345\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.2 65536 443\r\n", "PROXY TCP4 192.0.2.1 10.0.0.2 012 443\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.2 +12 443\r\n", "PROXY TCP4 192.0.2.01 10.0.0.2 12 443\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 192.0.2.1 10.0.0.2 1 2\r\n",
        "PROXY TCP5 192.0.2.1 10.0.0.2 1 2\r\n", "PROXY UDP4 192.0.2.1 10.0.0.2 1 2\r\n", "PROXY \r\n",
        "PROXY UNKNOWN \r x\r\n", "PROXY UNKNOWNS\r\n", "proxy TCP4 ", "PROXY\r\n", "GET / HTTP/1.1\r\n",
        "\x16\x03\x01"}) {
    EXPECT_NE(error_of(line), "") << line;
  }
  EXPECT_NE(error_of(std::string("PROXY UNKNOWN \0\r\n", 17)), "");
  EXPECT_EQ(error_of("PROXY " + std::string(100, 'x')), "");
  EXPECT_THAT(error_of("PROXY " + std::string(101, 'x')), HasSubstr("107"));
}

TEST(ProxyProtocol, Version2SaysWhoTheClientIs) {
  const ProxyHeader v4 = parsed(version2(0x21, 0x11, std::string(v4_addresses)));
  EXPECT_FALSE(v4.local);
  EXPECT_EQ(v4.source.to_string(), "192.0.2.1:12345");
  EXPECT_EQ(v4.destination.to_string(), "10.0.0.2:443");
  std::string addresses(36, '\0');
  addresses[15] = addresses[31] = 1;
  addresses[33] = 80;
  EXPECT_EQ(parsed(version2(0x21, 0x21, addresses)).source.to_string(), "[::1]:80");
  EXPECT_EQ(parsed(version2(0x21, 0x31, std::string(216, 'p'))).source.host(), "unix");
}

TEST(ProxyProtocol, Version2CanSpeakForTheProxyItself) {
  EXPECT_TRUE(parsed(version2(0x20, 0x00, "")).local);
  EXPECT_FALSE(parsed(version2(0x20, 0x00, "")).unknown) << "the proxy itself";
  EXPECT_TRUE(parsed(version2(0x21, 0x00, "")).unknown);
  EXPECT_TRUE(parsed(version2(0x20, 0x11, std::string(v4_addresses))).local);
  EXPECT_TRUE(parsed(version2(0x20, 0x7f, "what LOCAL carries is not looked at")).local);
  EXPECT_TRUE(parsed(version2(0x21, 0x00, "of no known family")).local);
}

TEST(ProxyProtocol, Version2MayHaveExtensionsUpTo4KiB) {
  const std::string start(v4_addresses);
  EXPECT_EQ(parsed(version2(0x21, 0x11, start + extension(1, "h2") + extension(4, ""))).source.port(), 12345);
  const std::string fill = extension(0x20, std::string(4096 - start.size() - 3, 'x'));
  EXPECT_EQ(parsed(version2(0x21, 0x11, start + fill)).size, most_proxy_header);
  EXPECT_THAT(error_of(version2(0x21, 0x11, start + fill + "x").substr(0, 16)), HasSubstr("4 KiB"));
}

TEST(ProxyProtocol, Version2ChecksumsAreVerified) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(parsed(summed(0)).source.port(), 12345);
  EXPECT_THAT(error_of(summed(0x10000)), HasSubstr("checksum is wrong"));
  EXPECT_NE(error_of(version2(0x21, 0x11, std::string(v4_addresses) + extension(3, "abc"))), "");
}

TEST(ProxyProtocol, Version2OfAnyOtherFormIsRefused) {
  const std::string addresses(v4_addresses);
  EXPECT_THAT(error_of(version2(0x11, 0x11, addresses)), HasSubstr("version"));
  EXPECT_THAT(error_of(version2(0x22, 0x11, addresses)), HasSubstr("command"));
  for (const char carried : std::string_view("\x01\x10\x12\x22\x32\x41\x13")) {
    EXPECT_THAT(error_of(version2(0x21, carried, std::string(216, 'x'))), HasSubstr("stream"))
        << int{carried};
  }
  EXPECT_THAT(error_of(version2(0x21, 0x11, addresses.substr(1))), HasSubstr("too short"));
  EXPECT_THAT(error_of(version2(0x21, 0x21, std::string(35, 'x'))), HasSubstr("too short"));
  EXPECT_THAT(error_of(version2(0x21, 0x31, std::string(215, 'x'))), HasSubstr("too short"));
  EXPECT_THAT(error_of(version2(0x21, 0x11, addresses + "xx")), HasSubstr("cut short"));
  EXPECT_THAT(error_of(version2(0x21, 0x11, addresses + extension(1, "h2").substr(0, 4))),
              HasSubstr("longer"));
  EXPECT_THAT(error_of("\r\n\r\nGET / HTTP/1.1\r\n"), HasSubstr("something else"));
}

}  // namespace
}  // namespace hangup::net
