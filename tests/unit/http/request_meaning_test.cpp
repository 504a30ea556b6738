#include "http/target.h"
#include "unit/http/requests.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include <hangup/http/message.h>

namespace hangup::http {
namespace {

using namespace std::literals;

TEST(RequestTarget, HasPathAndQuery) {
  EXPECT_EQ(parse_request(with_target("/a/b")).path, "/a/b");
  EXPECT_FALSE(parse_request(with_target("/a/b")).has_query);
  EXPECT_EQ(parse_request(with_target("/a?")).path, "/a");
  EXPECT_TRUE(parse_request(with_target("/a?")).has_query);
  EXPECT_EQ(parse_request(with_target("/a?")).query, "");
  EXPECT_EQ(parse_request(with_target("/a?b?c/d")).query, "b?c/d");
  EXPECT_EQ(parse_request(with_target("//h/x")).path, "//h/x");
  EXPECT_EQ(parse_request(with_target("//h/x")).host, "h");
}

TEST(RequestTarget, OfAbsoluteFormIsSplit) {
  EXPECT_EQ(parse_request(with_target("http://h/a?b")).path, "/a");
  EXPECT_EQ(parse_request(with_target("http://h/a?b")).query, "b");
  EXPECT_EQ(parse_request(with_target("HTTPS://H/a")).path, "/a");
  EXPECT_EQ(parse_request(with_target("http://h")).path, "/");
  EXPECT_EQ(parse_request(with_target("http://h?q")).path, "/");
  EXPECT_EQ(parse_request(with_target("http://h?q")).query, "q");
  EXPECT_EQ(parse_request(with_target("http://h", "OPTIONS")).path, "*");
  EXPECT_EQ(parse_request(with_target("http://h/", "OPTIONS")).path, "/");
  EXPECT_EQ(parse_request(with_target("http://h?", "OPTIONS")).path, "/");
  EXPECT_EQ(parse_request("GET http://h:81/ HTTP/1.0\r\n\r\n").host, "h:81");
}

TEST(RequestTarget, MustAgreeWithHost) {
  EXPECT_EQ(status_of(with_target("http://other/")), 400);
  EXPECT_EQ(status_of(with_target("http://h:80/")), 400);
  EXPECT_EQ(status_of(with_target("http://user@h/")), 400);
  EXPECT_EQ(status_of(with_target("http:///x")), 400);
  EXPECT_EQ(status_of("GET http://h/ HTTP/1.1\r\n\r\n"), 400);
}

TEST(RequestTarget, HasOneOfTheServedForms) {
  EXPECT_TRUE(accepts(with_target("*", "OPTIONS")));
  for (const std::string_view target : {"*", "a", "?x", "h:80", "ftp://h/", "http:/h/", "*x", "httpx://h/"}) {
    EXPECT_EQ(status_of(with_target(target)), 400) << target;
  }
  EXPECT_EQ(status_of(with_target("*?x", "OPTIONS")), 400);
  EXPECT_EQ(status_of(with_target("h:80", "CONNECT")), 501);
}

TEST(RequestTarget, HasOnlyVisibleCharactersAndNoFragment) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (c == '%') continue;
    const bool good = byte >= 0x21 && byte <= 0x7e && c != '#';
    EXPECT_EQ(status_of(with_target("/a"s + c + "b")), good ? 0 : 400) << byte;
  }
}

TEST(RequestTarget, HasWholePercentEscapes) {
  EXPECT_TRUE(accepts(with_target("/%00%7F%aB?%20")));
  for (const std::string_view target : {"/%", "/%2", "/%zz", "/%2g", "/?%", "/%%20"}) {
    EXPECT_EQ(status_of(with_target(target)), 400) << target;
  }
}

TEST(RequestHost, IsANameOrAnAddressAndPerhapsAPort) {
  for (const std::string_view host : {"h", "a.b-c_d~e.", "1.2.3.4", "h:0", "h:65535", "h:00080", "[::1]",
                                      "[::]:80", "[2001:db8::ffff:1.2.3.4]:8443"}) {
    EXPECT_TRUE(accepts(with_host(host))) << host;
  }
  for (const std::string_view host : {"",
                                      ":80",
                                      "h:",
                                      "h:65536",
                                      "h:123456",
                                      "h:+1",
                                      "h:8 0",
                                      "h 1",
                                      "a,b",
                                      "a/b",
                                      "u@h",
                                      "h%61",
                                      "[::1",
                                      "::1",
                                      "[::1]x",
                                      "[::1]:",
                                      "[]",
                                      "[v1.x]",
                                      "[fe80::1%25lo]",
                                      "[1.2.3.4]",
                                      "h\xc3\xa9",
                                      "h?",
                                      "h#",
                                      "h;x",
                                      "h\"",
                                      "[00000000000000000000000000000000000000000000000000::1]"}) {
    EXPECT_EQ(status_of(with_host(host)), 400) << host;
  }
}

TEST(RequestHost, IsThereExactlyOnce) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\nHost: h\r\nhost: i\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\nHost:\r\n\r\n"), 400);
  EXPECT_TRUE(accepts("GET / HTTP/1.0\r\n\r\n"));
}

TEST(RequestFraming, FollowsTheFields) {
  EXPECT_EQ(parse_request(with_fields("")).framing, Framing::no_body());
  EXPECT_EQ(parse_request(with_fields("Content-Length: 0\r\n")).framing, Framing::of_length(0));
  EXPECT_EQ(parse_request(with_fields("content-length:\t 7\t\r\n")).framing, Framing::of_length(7));
  EXPECT_EQ(parse_request(with_fields("Content-Length: 999999999999999999\r\n")).framing,
            Framing::of_length(999'999'999'999'999'999));
  EXPECT_EQ(parse_request(with_fields("Transfer-Encoding: CHUNKED \r\n")).framing, Framing::in_chunks());
  EXPECT_EQ(parse_request("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n").framing, Framing::of_length(3));
}

TEST(RequestFraming, RefusesABodyWhereTheMethodHasNone) {
  for (const std::string method : {"HEAD", "TRACE"}) {
    const std::string start = method + " / HTTP/1.1\r\nHost: h\r\n";
    EXPECT_TRUE(accepts(start + "\r\n"));
    EXPECT_TRUE(accepts(start + "Content-Length: 0\r\n\r\n"));
    EXPECT_EQ(status_of(start + "Content-Length: 1\r\n\r\n"), 400);
    EXPECT_EQ(status_of(start + "Transfer-Encoding: chunked\r\n\r\n"), 400);
  }
}

TEST(RequestKeepAlive, FollowsVersionAndEveryConnectionMember) {
  const auto kept = [](std::string_view version, std::string_view fields) {
    return parse_request("GET / HTTP/" + std::string(version) + "\r\nHost: h\r\n" + std::string(fields) +
                         "\r\n")
        .keep_alive;
  };
  EXPECT_TRUE(kept("1.1", ""));
  EXPECT_FALSE(kept("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(kept("1.1", "connection: x ,\tCLOSE\r\n"));
  EXPECT_FALSE(kept("1.1", "Connection: keep-alive\r\nConnection: ,close,\r\n"));
  EXPECT_TRUE(kept("1.1", "Connection: closed, not-close\r\n"));
  EXPECT_FALSE(kept("1.0", ""));
  EXPECT_TRUE(kept("1.0", "Connection: x, Keep-Alive\r\n"));
  EXPECT_FALSE(kept("1.0", "Connection: keep-alive, close\r\n"));
}

TEST(RequestHost, IsNoAddressBehindWhichThereIsMore) {
  using namespace std::literals;
  EXPECT_FALSE(is_valid_host("[::\0]"sv));
  EXPECT_FALSE(is_valid_host("[::\0evil]:80"sv));
}

TEST(RequestExpectation, IsKnownInHttp11WithABodyOnly) {
  const auto expects = [](std::string_view text) { return parse_request(text).expects_continue; };
  EXPECT_TRUE(expects(with_fields("Expect: 100-CONTINUE\r\nContent-Length: 1\r\n")));
  EXPECT_TRUE(expects(with_fields("Transfer-Encoding: chunked\r\nExpect: ,100-continue\r\n")));
  EXPECT_FALSE(expects(with_fields("Expect: 100-continue\r\n")));
  EXPECT_FALSE(expects(with_fields("Expect: 100-continue\r\nContent-Length: 0\r\n")));
  EXPECT_FALSE(expects(with_fields("Expect:\r\nContent-Length: 1\r\n")));
  EXPECT_FALSE(expects("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
}

TEST(RequestExpectation, OfAnythingElseIsRefused) {
  EXPECT_EQ(status_of(with_fields("Expect: 200-ok\r\n")), 417);
  EXPECT_EQ(status_of(with_fields("Expect: 100-continue, x\r\nContent-Length: 1\r\n")), 417);
  EXPECT_EQ(status_of(with_fields("Expect: 100-continue\r\nExpect: x\r\nContent-Length: 1\r\n")), 417);
}

TEST(RequestVersion, OfALaterMinorOneIsReadAs11) {
  EXPECT_EQ(parse_request("GET / HTTP/1.2\r\nHost: h\r\n\r\n").version, Version::http11);
  EXPECT_EQ(parse_request("GET / HTTP/1.9\r\nHost: h\r\n\r\n").version, Version::http11);
  EXPECT_EQ(status_of("GET / HTTP/1.2\r\n\r\n"), 400);  // with all that 1.1 asks for
}

}  // namespace
}  // namespace hangup::http
