#include "cleanup/url.h"

#include <gtest/gtest.h>

#include <string>

namespace hangup::cleanup {
namespace {

TEST(ReceiverUrl, IsTakenApart) {
  const auto url = parse_url("http://Jobs.example.com:9000/jobs/7?why=gone&x=%20#part");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "jobs.example.com");
  EXPECT_EQ(url->port, 9000);
  EXPECT_EQ(url->authority, "Jobs.example.com:9000");
  EXPECT_EQ(url->target, "/jobs/7?why=gone&x=%20");
}

TEST(ReceiverUrl, HasDefaultsForPortAndPath) {
  for (const char* text : {"http://a", "HTTP://a/", "http://a:/", "http://a#x"}) {
    const auto url = parse_url(text);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->host, "a");
    EXPECT_EQ(url->port, 80);
    EXPECT_EQ(url->target, "/");
  }
  EXPECT_EQ(parse_url("http://a?b")->target, "/?b");
}

TEST(ReceiverUrl, TakesTheBracketsOffAnIpv6Address) {
  const auto url = parse_url("http://[2001:DB8::1]:81/x");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "2001:db8::1");
  EXPECT_EQ(url->port, 81);
  EXPECT_EQ(url->authority, "[2001:DB8::1]:81");
}

TEST(ReceiverUrl, OfHttpsHasItsOwnPortAndIsAReceiverOfItsOwn) {
  const auto url = parse_url("HTTPS://a/x");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->https);
  EXPECT_EQ(url->port, 443);
  EXPECT_FALSE(parse_url("http://a/x")->https);
  EXPECT_NE(parse_url("https://a:80/")->receiver(), parse_url("http://a/")->receiver());
}

TEST(ReceiverUrl, HasAHostThatCanBeOne) {
  EXPECT_TRUE(parse_url("https://" + std::string(253, 'a') + "/"));
  EXPECT_FALSE(parse_url("https://" + std::string(254, 'a') + "/"));
  EXPECT_TRUE(parse_url("https://a./"));
  EXPECT_FALSE(parse_url("https://./"));
}

TEST(ReceiverUrl, SpellingsOfOneReceiverAreOneReceiver) {
  EXPECT_EQ(parse_url("http://A/x")->receiver(), parse_url("http://a:80/y?z")->receiver());
  EXPECT_NE(parse_url("http://a/")->receiver(), parse_url("http://a:81/")->receiver());
}

TEST(ReceiverUrl, WhatCouldNotStandInARequestIsRefused) {
  for (const char* text : {"",
                           "http",
                           "http:/",
                           "http://",
                           "https:/a/",
                           "https://",
                           "httpss://a/",
                           "ftp://a",
                           "/path",
                           "http:///x",
                           "http://:80/",
                           "http://a:0/",
                           "http://a:65536/",
                           "http://a:8x/",
                           "http://a:-1/",
                           "http://user:pw@a/",
                           "http://user@a/",
                           "http://a b/",
                           "http://a%2fb/",
                           "http://[::1/",
                           "http://[]/",
                           "http://[::1]x/",
                           "http://[::g]/",
                           "http://a/b c",
                           "http://a/\r\nX: y",
                           "http://a/\x7f",
                           "http://a/\xc3\xa4",
                           "http://a\r\n/"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
  EXPECT_FALSE(parse_url(std::string("http://a/\0b", 11)));
}

TEST(ReceiverUrl, IsLoggedWithoutItsQuery) {
  EXPECT_EQ(without_query("http://a/b?token=x#y"), "http://a/b");
  EXPECT_EQ(without_query("http://a/b"), "http://a/b");
}

}  // namespace
}  // namespace hangup::cleanup
