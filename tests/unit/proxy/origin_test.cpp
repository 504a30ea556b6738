// Where a request came from, by what trusted proxies say.
#include "proxy/origin.h"

#include "unit/proxy/exchange_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace hangup {
namespace {

using proxy::Origin;
using Fields = std::vector<std::pair<std::string, std::string>>;

// A listener that trusts these, and what a peer of it says.
Origin origin_of(const std::string& peer, const Fields& said,
                 const std::vector<std::string>& trusted = {"10.0.0.0/8", "fd00::/8", "unix"}) {
  const auto listener = std::make_shared<config::Listener>();
  listener->trust_request_id = true;
  for (const std::string& network : trusted) listener->trusted_proxies.add(*Network::parse(network));
  downstream::ClientInfo client;
  client.ip = peer;
  client.port = static_cast<std::uint16_t>(peer == "unix" ? 0 : 4711);
  client.listener = listener;
  http::Fields fields;
  for (const auto& [name, value] : said) fields.add(name, value);
  return proxy::find_origin(client, fields);
}

TEST(Origin, IsWalkedOverTrustedAddressesOnly) {
  struct Case {
    std::string peer;
    Fields said;
    std::string client, chain;
  };
  const std::string xff = "X-Forwarded-For";
  const std::vector<Case> cases = {
      // Not trusted: nothing that is said counts.
      {"192.0.2.7", {{xff, "203.0.113.5"}}, "192.0.2.7", "192.0.2.7"},
      {"192.0.2.7", {{"Forwarded", "for=203.0.113.5"}}, "192.0.2.7", "192.0.2.7"},
      // Trusted, and nothing is said.
      {"10.0.0.1", {}, "10.0.0.1", "10.0.0.1"},
      {"10.0.0.1", {{xff, ""}}, "10.0.0.1", "10.0.0.1"},
      // The first that is not trusted is the client; what it said itself does not count.
      {"10.0.0.1", {{xff, "203.0.113.5"}}, "203.0.113.5", "203.0.113.5, 10.0.0.1"},
      {"10.0.0.1", {{xff, "6.6.6.6, 203.0.113.5"}}, "203.0.113.5", "203.0.113.5, 10.0.0.1"},
      {"10.0.0.1",
       {{xff, "6.6.6.6, 203.0.113.5, 10.0.0.2"}},
       "203.0.113.5",
       "203.0.113.5, 10.0.0.2, 10.0.0.1"},
      {"10.0.0.1",
       {{xff, "10.6.6.6, 203.0.113.5, 10.0.0.2"}},
       "203.0.113.5",
       "203.0.113.5, 10.0.0.2, 10.0.0.1"},
      // Several fields are one list.
      {"10.0.0.1",
       {{xff, "6.6.6.6"}, {"x-forwarded-for", "203.0.113.5"}, {xff, "10.0.0.2"}},
       "203.0.113.5",
       "203.0.113.5, 10.0.0.2, 10.0.0.1"},
      {"10.0.0.1", {{xff, "203.0.113.5,, 10.0.0.2 ,"}}, "203.0.113.5", "203.0.113.5, 10.0.0.2, 10.0.0.1"},
      // All are trusted: the furthest one.
      {"10.0.0.1", {{xff, "10.0.0.3, 10.0.0.2"}}, "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"},
      // What is no address ends the walk at the last good one.
      {"10.0.0.1", {{xff, "203.0.113.5, unknown"}}, "10.0.0.1", "10.0.0.1"},
      {"10.0.0.1", {{xff, "203.0.113.5, x, 10.0.0.2"}}, "10.0.0.2", "10.0.0.2, 10.0.0.1"},
      {"10.0.0.1", {{xff, "unix, 10.0.0.2"}}, "10.0.0.2", "10.0.0.2, 10.0.0.1"},
      // IPv6, and UNIX sockets, which have no address to pass on.
      {"fd00::1", {{xff, "2001:db8::5"}}, "2001:db8::5", "2001:db8::5, fd00::1"},
      {"unix", {{xff, "203.0.113.5"}}, "203.0.113.5", "203.0.113.5"},
      {"unix", {}, "unix", "unix"},
      // Forwarded, the same way.
      {"10.0.0.1",
       {{"Forwarded", "for=6.6.6.6, for=203.0.113.5;proto=https, for=10.0.0.2"}},
       "203.0.113.5",
       "203.0.113.5, 10.0.0.2, 10.0.0.1"},
      {"10.0.0.1",
       {{"Forwarded", "for=203.0.113.5"}, {"Forwarded", "for=10.0.0.2"}},
       "203.0.113.5",
       "203.0.113.5, 10.0.0.2, 10.0.0.1"},
      {"10.0.0.1", {{"Forwarded", "for=\"[2001:db8::5]:4711\""}}, "2001:db8::5", "2001:db8::5, 10.0.0.1"},
      {"10.0.0.1",
       {{"Forwarded", "for=203.0.113.5, for=_hidden, for=10.0.0.2"}},
       "10.0.0.2",
       "10.0.0.2, 10.0.0.1"},
      {"10.0.0.1", {{"Forwarded", "for=203.0.113.5, proto=https"}}, "10.0.0.1", "10.0.0.1"},
      {"10.0.0.1", {{"Forwarded", "for=\"6.6.6.6, for=203.0.113.5"}}, "203.0.113.5", "203.0.113.5, 10.0.0.1"},
      // Both, of one mind, and not.
      {"10.0.0.1",
       {{"Forwarded", "for=203.0.113.5"}, {xff, "203.0.113.5"}},
       "203.0.113.5",
       "203.0.113.5, 10.0.0.1"},
      {"10.0.0.1", {{"Forwarded", "for=6.6.6.6"}, {xff, "203.0.113.5"}}, "10.0.0.1", "10.0.0.1"},
  };
  for (const Case& each : cases) {
    std::string said = each.peer;
    for (const auto& [name, value] : each.said) said += " | " + name + ": " + value;
    const Origin origin = origin_of(each.peer, each.said);
    EXPECT_EQ(origin.ip, each.client) << said;
    EXPECT_EQ(origin.chain, each.chain) << said;
  }
}

TEST(Origin, IsUnknownWhereAProxySpeaksForAClientThatItDoesNotName) {
  const std::string xff = "X-Forwarded-For";
  for (const Fields& said : {Fields{{xff, "unknown"}},
                             {{xff, "203.0.113.5, unknown"}},
                             {{xff, "203.0.113.5, x, 10.0.0.2"}},
                             {{"Forwarded", "for=_hidden"}},
                             {{"Forwarded", "proto=https"}},
                             {{"Forwarded", "for=\"203.0.113.5"}},
                             {{xff, "203.0.113.5"}, {"Forwarded", "for=10.0.0.2"}},
                             {{xff, "203.0.113.5"}, {"Forwarded", "for=unknown"}},
                             {{xff, ""}, {"Forwarded", "for=203.0.113.5"}}})
    EXPECT_TRUE(origin_of("10.0.0.1", said).unknown) << said.front().second;
  for (const Fields& said : {Fields{},
                             {{xff, ""}},
                             {{xff, "unknown, 203.0.113.5"}},
                             {{xff, "10.0.0.2"}},
                             {{"Forwarded", "for=_hidden, for=203.0.113.5"}},
                             {{xff, "6.6.6.6, 203.0.113.5"}, {"Forwarded", "for=203.0.113.5"}}})
    EXPECT_FALSE(origin_of("10.0.0.1", said).unknown);
  EXPECT_FALSE(origin_of("192.0.2.7", {{xff, "unknown"}}).unknown) << "nobody asked this peer";
}

TEST(Origin, IsNotWhatOneOfTwoFieldsSaysThatDisagree) {
  const Origin origin = origin_of("10.0.0.1", {{"X-Forwarded-For", "203.0.113.5"},
                                               {"X-Forwarded-Proto", "https"},
                                               {"X-Forwarded-Host", "example.com"},
                                               {"Forwarded", "for=6.6.6.6;proto=https;host=example.com"}});
  EXPECT_FALSE(origin.secure);
  EXPECT_EQ(origin.host, "");
}

TEST(Origin, IsUnknownAndNothingIsBelievedBehindAProxyHeaderThatNamesNobody) {
  const auto listener = std::make_shared<config::Listener>();
  listener->trusted_proxies.add(*Network::parse("10.0.0.0/8"));
  downstream::ClientInfo peer;
  peer.ip = "10.0.0.1";
  peer.listener = listener;
  peer.unknown = true;
  http::Fields fields;
  fields.add("X-Forwarded-For", "10.0.0.7");
  fields.add("X-Forwarded-Proto", "https");
  const Origin origin = proxy::find_origin(peer, fields);
  EXPECT_TRUE(origin.unknown);
  EXPECT_EQ(origin.ip, "10.0.0.1");
  EXPECT_FALSE(origin.secure);
}

TEST(Origin, HasTheClientsPortWhereItIsSaid) {
  EXPECT_EQ(origin_of("192.0.2.7", {}).port, 4711);
  EXPECT_EQ(origin_of("10.0.0.1", {{"X-Forwarded-For", "203.0.113.5:99"}}).port, 99);
  EXPECT_EQ(origin_of("10.0.0.1", {{"X-Forwarded-For", "203.0.113.5"}}).port, 0);
  EXPECT_EQ(origin_of("10.0.0.1", {{"Forwarded", "for=\"203.0.113.5:99\""}}).port, 99);
}

TEST(Origin, BelievesSchemeAndHostOfTrustedProxies) {
  const auto https = [](const Fields& said, const std::string& peer = "10.0.0.1") {
    return origin_of(peer, said).secure;
  };
  EXPECT_TRUE(https({{"X-Forwarded-Proto", "https"}}));
  EXPECT_TRUE(https({{"X-Forwarded-Proto", "HTTPS"}}));
  EXPECT_FALSE(https({{"X-Forwarded-Proto", "https"}}, "192.0.2.7"));
  EXPECT_FALSE(https({{"X-Forwarded-Proto", "https, http"}}));
  EXPECT_FALSE(https({{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Proto", "https"}}));
  EXPECT_TRUE(https({{"Forwarded", "for=203.0.113.5;proto=https"}}));
  EXPECT_TRUE(https({{"Forwarded", "for=203.0.113.5;proto=https, for=10.0.0.2;proto=http"}}));
  EXPECT_FALSE(https({{"Forwarded", "for=6.6.6.6;proto=https, for=203.0.113.5;proto=http"}}));
  EXPECT_FALSE(https({{"Forwarded", "for=203.0.113.5"}, {"X-Forwarded-Proto", "https"}}))
      << "the proxy speaks Forwarded: this may be the client's";

  const auto host = [](const Fields& said) { return origin_of("10.0.0.1", said).host; };
  EXPECT_EQ(host({{"X-Forwarded-Host", "example.com:8443"}}), "example.com:8443");
  EXPECT_EQ(host({{"X-Forwarded-Host", "[2001:db8::1]:80"}}), "[2001:db8::1]:80");
  EXPECT_EQ(host({{"X-Forwarded-Host", "a, b"}}), "");
  EXPECT_EQ(host({{"X-Forwarded-Host", ""}}), "");
  EXPECT_EQ(host({{"X-Forwarded-Host", std::string(256, 'a')}}), "");
  EXPECT_EQ(host({{"Forwarded", "for=203.0.113.5;host=example.com"}}), "example.com");
  EXPECT_EQ(origin_of("192.0.2.7", {{"X-Forwarded-Host", "example.com"}}).host, "");
}

TEST(Origin, TakesASaneRequestIdOfATrustedProxy) {
  const auto id = [](const std::string& value) {
    return origin_of("10.0.0.1", {{"X-Request-Id", value}}).request_id;
  };
  EXPECT_EQ(id("abc-123._~Z"), "abc-123._~Z");
  EXPECT_EQ(id(std::string(128, 'a')), std::string(128, 'a'));
  for (const std::string& bad :
       {std::string(), std::string(129, 'a'), std::string("a b"), std::string("a/b"), std::string("a\"b"),
        std::string("a,b"), std::string("a%b"), std::string("\xc3\xa9")}) {
    EXPECT_EQ(id(bad), "") << bad;
  }
  EXPECT_EQ(origin_of("192.0.2.7", {{"X-Request-Id", "abc"}}).request_id, "");
  EXPECT_EQ(origin_of("10.0.0.1", {{"X-Request-Id", "abc"}, {"X-Request-Id", "abc"}}).request_id, "");
}

class TrustedProxyTest : public ExchangeTest {
 protected:
  TrustedProxyTest() {
    listener->trusted_proxies.add(*Network::parse("192.0.2.0/24"));
    listener->trust_request_id = true;
  }
  void send_through_proxy(const std::string& fields) {
    if (!proxy) make_proxy();
    client = std::make_unique<test::FakeClient>(scheduler.now());
    client->info.listener = listener;
    proxy->on_request(*client, parsed_request("GET /jobs/17 HTTP/1.1\r\nHost: inner\r\n" + fields + "\r\n"));
  }
  const std::shared_ptr<config::Listener> listener = std::make_shared<config::Listener>();
};

TEST_F(TrustedProxyTest, WhatItSaysIsForwardedLoggedAndRendered) {
  route.request.set = {{"X-Client", text_template("{client.ip}:{client.port} {request.id}")}};
  send_through_proxy(
      "X-Forwarded-For: 6.6.6.6, 203.0.113.5:99\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: "
      "example.com\r\n"
      "X-Request-Id: abc\r\nForwarded: for=203.0.113.5\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().field("X-Forwarded-For"), "203.0.113.5, 192.0.2.7");
  EXPECT_EQ(request().field("X-Forwarded-Proto"), "https");
  EXPECT_EQ(request().field("X-Forwarded-Host"), "example.com");
  EXPECT_EQ(request().field("X-Request-Id"), "abc");
  EXPECT_EQ(request().count("X-Request-Id"), 1U);
  EXPECT_EQ(request().count("Forwarded"), 0U);
  EXPECT_EQ(request().field("Host"), "inner");
  EXPECT_EQ(request().field("X-Client"), "203.0.113.5:99 abc");
  client->observer->on_gone(scheduler.now());
  const json line = log_line();
  EXPECT_EQ(line["client"], "203.0.113.5:99");
  EXPECT_EQ(line["peer"], "192.0.2.7:4711");
  EXPECT_EQ(line["request_id"], "abc");
}

TEST_F(TrustedProxyTest, TheClientBehindItIsWhoIsAllowed) {
  route.access.allow.add(*Network::parse("203.0.113.0/24"));
  send_through_proxy("X-Forwarded-For: 203.0.113.5\r\n");
  EXPECT_EQ(fake_upstream->requests.size(), 1U);
  send_through_proxy("X-Forwarded-For: 203.0.113.5, 198.51.100.1\r\n");
  EXPECT_EQ(client->status, 403);
  send_through_proxy("");
  EXPECT_EQ(client->status, 403) << "the proxy itself is none of them";
}

TEST_F(TrustedProxyTest, AClientThatItDoesNotNameIsNotAllowedAsIfItWereTheProxy) {
  route.access.allow.add(*Network::parse("192.0.2.0/24"));
  send_through_proxy("X-Forwarded-For: unknown\r\n");
  EXPECT_EQ(client->status, 403);
  send_through_proxy("X-Forwarded-For: 203.0.113.5\r\nForwarded: for=192.0.2.9\r\n");
  EXPECT_EQ(client->status, 403);
  EXPECT_TRUE(fake_upstream->requests.empty());
  send_through_proxy("");
  EXPECT_EQ(fake_upstream->requests.size(), 1U) << "the proxy itself, which looks whether all is well";
}

TEST_F(TrustedProxyTest, ARequestIdThatItMayHaveFromTheClientIsReplaced) {
  listener->trust_request_id = false;
  send_through_proxy("X-Request-Id: of-anothers-work\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().field("X-Request-Id").size(), 36U);
}

TEST_F(TrustedProxyTest, OneRequestIdForTwoExchangesIsTwoCleanups) {
  for (int i = 0; i < 2; ++i) {
    send_through_proxy("X-Request-Id: abc\r\n");
    observer().on_connected(server());
    client->observer->on_gone(scheduler.now());
  }
  ASSERT_EQ(cleanups().size(), 2U);
  EXPECT_NE(cleanups()[0].id, cleanups()[1].id);
  EXPECT_NE(cleanups()[0].request_id, cleanups()[1].request_id);
  for (const cleanup::Delivery& delivery : cleanups()) {
    EXPECT_EQ(delivery.given_id, "abc");
    EXPECT_EQ(delivery.shown_id(), "abc");
    EXPECT_NE(delivery.request_id, "abc");
    EXPECT_TRUE(delivery.id.starts_with(delivery.request_id));
  }
}

TEST_F(TrustedProxyTest, AnotherPeerIsNotBelieved) {
  listener->trusted_proxies = Networks();
  send_through_proxy("X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Host: x\r\nX-Request-Id: abc\r\n");
  observer().on_connected(server());
  EXPECT_EQ(request().field("X-Forwarded-For"), "192.0.2.7");
  EXPECT_EQ(request().field("X-Forwarded-Host"), "inner");
  EXPECT_NE(request().field("X-Request-Id"), "abc");
  client->observer->on_gone(scheduler.now());
  const json line = log_line();
  EXPECT_EQ(line["client"], "192.0.2.7:4711");
  EXPECT_TRUE(line["peer"].is_null());
}

}  // namespace
}  // namespace hangup
