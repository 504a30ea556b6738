#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include <hangup/base/network.h>

namespace hangup {
namespace {

using testing::HasSubstr;

Network network_of(const char* text) {
  const auto network = Network::parse(text);
  if (!network) ADD_FAILURE() << network.error().message;
  return network.value_or(Network());
}

TEST(Networks, ContainTheAddressesOfTheirPrefix) {
  const Network ten = network_of("10.0.0.0/8");
  EXPECT_TRUE(ten.contains("10.0.0.0"));
  EXPECT_TRUE(ten.contains("10.255.255.255"));
  EXPECT_FALSE(ten.contains("11.0.0.0"));
  EXPECT_FALSE(ten.contains("9.255.255.255"));
  const Network odd = network_of("192.168.4.0/22");
  EXPECT_TRUE(odd.contains("192.168.7.255"));
  EXPECT_FALSE(odd.contains("192.168.8.0"));
  const Network six = network_of("2001:db8::/33");
  EXPECT_TRUE(six.contains("2001:db8:7fff::1"));
  EXPECT_FALSE(six.contains("2001:db8:8000::1"));
}

TEST(Networks, OfOneAddressNeedNoPrefix) {
  EXPECT_TRUE(network_of("127.0.0.1").contains("127.0.0.1"));
  EXPECT_FALSE(network_of("127.0.0.1").contains("127.0.0.2"));
  EXPECT_TRUE(network_of("::1").contains("::1"));
  EXPECT_EQ(network_of("::1").to_string(), "::1/128");
}

TEST(Networks, OfEverythingAreOfOneFamily) {
  EXPECT_TRUE(network_of("0.0.0.0/0").contains("203.0.113.9"));
  EXPECT_FALSE(network_of("0.0.0.0/0").contains("2001:db8::1"));
  EXPECT_TRUE(network_of("::/0").contains("2001:db8::1"));
  EXPECT_FALSE(network_of("::/0").contains("203.0.113.9"));
  EXPECT_FALSE(network_of("::/0").contains("::ffff:203.0.113.9"));
}

TEST(Networks, TakeMappedAddressesForIpv4) {
  EXPECT_TRUE(network_of("10.0.0.0/8").contains("::ffff:10.1.2.3"));
  EXPECT_TRUE(network_of("10.0.0.0/8").contains(*SocketAddress::parse("[::ffff:10.1.2.3]:80")));
  EXPECT_TRUE(network_of("::ffff:10.0.0.0/104").contains("10.1.2.3"));
  EXPECT_EQ(network_of("::ffff:10.0.0.0/104").to_string(), "10.0.0.0/8");
  EXPECT_EQ(network_of("::ffff:0:0/96").to_string(), "0.0.0.0/0");
}

TEST(Networks, KnowThePeersOfUnixSockets) {
  const Network local = network_of("unix");
  EXPECT_TRUE(local.contains(*SocketAddress::parse("unix:/run/x.sock")));
  EXPECT_TRUE(local.contains("unix"));
  EXPECT_FALSE(local.contains("127.0.0.1"));
  EXPECT_FALSE(network_of("0.0.0.0/0").contains("unix"));
  EXPECT_EQ(local.to_string(), "unix");
}

TEST(Networks, HaveNothingThatIsNoAddress) {
  const Network all = network_of("0.0.0.0/0");
  for (const std::string_view text : {std::string_view(), std::string_view("x"), std::string_view("1.2.3"),
                                      std::string_view("1.2.3.4:80"), std::string_view("1.2.3.4\0", 8)}) {
    EXPECT_FALSE(all.contains(text)) << text;
  }
  EXPECT_FALSE(all.contains(SocketAddress()));
  EXPECT_FALSE(network_of("::/0").contains("[::1]"));
}

TEST(Networks, OfAnyOtherFormAreRefusedWithWhatWasExpected) {
  for (const char* text : {"", "/8", "10.0.0/8", "localhost", "10.0.0.0/8/8", "[::1]/128", "unix/8",
                           "fe80::1%lo", " 10.0.0.0/8", "::g"}) {
    const auto network = Network::parse(text);
    ASSERT_FALSE(network) << text;
    EXPECT_FALSE(network.error().message.empty());
  }
  EXPECT_THAT(Network::parse("localhost").error().message, HasSubstr("10.0.0.0/8, 2001:db8::/32"));
  for (const char* text :
       {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8 ", "10.0.0.0/+8"}) {
    EXPECT_THAT(Network::parse(text).error().message, HasSubstr("0 to 32")) << text;
  }
  EXPECT_THAT(Network::parse("::/129").error().message, HasSubstr("0 to 128"));
}

TEST(Networks, WithBitsBeyondTheirPrefixAreRefusedWithTheTwoThatMayBeMeant) {
  const std::string message = Network::parse("10.1.2.3/8").error().message;
  EXPECT_THAT(message, HasSubstr("10.0.0.0/8"));
  EXPECT_THAT(message, HasSubstr("10.1.2.3 for that address alone"));
}

TEST(Networks, InAListContainWhatOneOfThemDoes) {
  Networks list;
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(list.contains("10.0.0.1"));
  list.add(network_of("10.0.0.0/8"));
  list.add(network_of("::1"));
  EXPECT_TRUE(list.contains("10.0.0.1"));
  EXPECT_TRUE(list.contains(*SocketAddress::parse("[::1]:80")));
  EXPECT_FALSE(list.contains("192.0.2.1"));
  EXPECT_FALSE(list.contains(*SocketAddress::parse("unix:/run/x.sock")));
}

}  // namespace
}  // namespace hangup
