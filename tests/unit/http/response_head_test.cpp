#include "unit/http/feeding.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <type_traits>

#include <hangup/http/message.h>

namespace hangup::http {
namespace {

using namespace std::string_literals;

static_assert(!std::is_copy_constructible_v<ResponseHead>, "views would point into another head's bytes");

std::string response(std::string_view status_line, std::string_view fields = "") {
  return std::string(status_line) + "\r\n" + std::string(fields) + "\r\n";
}

std::string ok(std::string_view fields) {
  return response("HTTP/1.1 200 OK", fields);
}

ResponseHead parse_response(std::string_view text, std::string_view request_method = "GET") {
  ResponseHeadParser parser(HeadLimits{});
  const auto parsed = parser.parse(text, request_method);
  EXPECT_EQ(parsed.value_or(0), text.size()) << text;
  return parser.take();
}

bool accepts(std::string_view text, std::string_view request_method = "GET") {
  return feed_response(text, in_one_piece(text), request_method).consumed == text.size();
}

bool refuses(std::string_view text, std::string_view request_method = "GET") {
  return feed_response(text, in_one_piece(text), request_method).status != 0;
}

TEST(ResponseHead, SaysAllThatTheBytesSay) {
  const ResponseHead head = parse_response(response("HTTP/1.1 404 Nothing \tcame\xc3\xa9",
                                                    "Server: x/1 (y)\r\nset-cookie: a\r\nSet-Cookie: b\r\n"
                                                    "Content-Length: 12\r\n"));
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.reason, "Nothing \tcame\xc3\xa9");
  EXPECT_EQ(head.version, Version::http11);
  EXPECT_EQ(head.framing, Framing::of_length(12));
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(describe(head.fields), "Server=x/1 (y)\nset-cookie=a\nSet-Cookie=b\nContent-Length=12\n");
}

TEST(ResponseHead, ReadsTheSameHoweverItArrives) {
  const std::array texts = {
      ok("Content-Length: 5\r\nServer: a\r\n"),
      ok("Transfer-Encoding: chunked\r\n"),
      ok("Connection: close\r\n"),
      response("HTTP/1.0 200 OK"),
      response("HTTP/1.1 204"),
      response("HTTP/1.1 304 ", "ETag: \"x\"\r\nContent-Length: 9\r\n"),
      response("HTTP/1.1 100 Continue"),
      response("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket\r\nConnection: Upgrade\r\n"),
  };
  for (const std::string& text : texts) {
    SCOPED_TRACE(text);
    const Verdict whole = feed_response(text, in_one_piece(text));
    ASSERT_EQ(whole.consumed, text.size());
    for (const Cuts& cuts : all_ways(text)) ASSERT_EQ(feed_response(text, cuts), whole);
    const std::string more = text + "body\n\r\n\r\n";
    EXPECT_EQ(feed_response(more, in_one_piece(more)), whole);
  }
}

TEST(ResponseHead, NeedsNoReason) {
  EXPECT_EQ(parse_response(response("HTTP/1.1 200 ")).reason, "");
  EXPECT_EQ(parse_response(response("HTTP/1.1 200")).reason, "");
  EXPECT_EQ(parse_response(response("HTTP/1.1 999 x")).status, 999);
}

TEST(ResponseHeadParser, ReadsInterimResponsesAndThenTheFinalOne) {
  const std::string text = response("HTTP/1.1 103 Early Hints", "Link: </x>\r\n") + response("HTTP/1.1 100") +
                           ok("Content-Length: 3\r\n");
  ResponseHeadParser parser(HeadLimits{});
  std::string_view rest = text;
  for (const int status : {103, 100, 200}) {
    const auto parsed = parser.parse(rest, "GET");
    ASSERT_NE(parsed.value_or(0), 0U);
    const ResponseHead head = parser.take();
    EXPECT_EQ(head.status, status);
    EXPECT_EQ(head.framing, status == 200 ? Framing::of_length(3) : Framing::no_body());
    rest.remove_prefix(*parsed);
  }
  EXPECT_TRUE(rest.empty());
}

TEST(ResponseFraming, FollowsTheFields) {
  EXPECT_EQ(parse_response(ok("Content-Length: 0\r\n")).framing, Framing::of_length(0));
  EXPECT_EQ(parse_response(ok("content-length: 70000000000\r\n")).framing,
            Framing::of_length(70'000'000'000));
  EXPECT_EQ(parse_response(ok("Transfer-Encoding: Chunked\r\n")).framing, Framing::in_chunks());
  EXPECT_EQ(parse_response(ok("")).framing, Framing::to_close());
  EXPECT_EQ(parse_response(response("HTTP/1.0 200 OK", "Content-Length: 4\r\n")).framing,
            Framing::of_length(4));
  EXPECT_EQ(parse_response(response("HTTP/1.1 206 P", "Content-Length: 4\r\n")).framing,
            Framing::of_length(4));
}

TEST(ResponseFraming, HasNoBodyWhereNoneCanBe) {
  EXPECT_EQ(parse_response(ok("Content-Length: 5\r\n"), "HEAD").framing, Framing::no_body());
  EXPECT_EQ(parse_response(ok("Content-Length: 5\r\n"), "HEAD").fields.find("content-length"), "5");
  EXPECT_EQ(parse_response(ok("Transfer-Encoding: chunked\r\n"), "HEAD").framing, Framing::no_body());
  EXPECT_EQ(parse_response(ok(""), "HEAD").framing, Framing::no_body());
  EXPECT_EQ(parse_response(response("HTTP/1.1 204 No Content")).framing, Framing::no_body());
  EXPECT_EQ(parse_response(response("HTTP/1.1 304 x", "Content-Length: 5\r\n")).framing, Framing::no_body());
  EXPECT_EQ(parse_response(response("HTTP/1.1 100 x")).framing, Framing::no_body());
  EXPECT_EQ(parse_response(response("HTTP/1.1 101 x")).framing, Framing::no_body());
}

TEST(ResponseFraming, RefusesABodyOfAnInterimResponse) {
  EXPECT_TRUE(accepts(response("HTTP/1.1 100 x", "Content-Length: 0\r\n")));
  EXPECT_TRUE(refuses(response("HTTP/1.1 100 x", "Content-Length: 5\r\n")));
  EXPECT_TRUE(refuses(response("HTTP/1.1 103 x", "Transfer-Encoding: chunked\r\n")));
}

TEST(ResponseKeepAlive, FollowsVersionConnectionAndFraming) {
  const auto kept = [](std::string_view text, std::string_view method = "GET") {
    return parse_response(text, method).keep_alive;
  };
  EXPECT_TRUE(kept(ok("Content-Length: 1\r\n")));
  EXPECT_TRUE(kept(ok("Transfer-Encoding: chunked\r\n")));
  EXPECT_FALSE(kept(ok("")));
  EXPECT_TRUE(kept(ok(""), "HEAD"));
  EXPECT_FALSE(kept(ok("Content-Length: 1\r\nConnection: x, Close\r\n")));
  EXPECT_FALSE(kept(response("HTTP/1.0 200 OK", "Content-Length: 1\r\n")));
  EXPECT_TRUE(kept(response("HTTP/1.0 200 OK", "Content-Length: 1\r\nConnection: keep-alive\r\n")));
  EXPECT_FALSE(kept(response("HTTP/1.0 200 OK", "Connection: keep-alive\r\n")));
  EXPECT_TRUE(kept(response("HTTP/1.1 304 x", "Content-Length: 5\r\n")));
  EXPECT_TRUE(kept(response("HTTP/1.1 204 x", "Content-Length: 0\r\n")));
}

TEST(ResponseKeepAlive, EndsWithA204ThatAnnouncesABody) {
  EXPECT_FALSE(parse_response(response("HTTP/1.1 204 x", "Content-Length: 5\r\n")).keep_alive);
  EXPECT_FALSE(parse_response(response("HTTP/1.1 204 x", "Transfer-Encoding: chunked\r\n")).keep_alive);
}

TEST(ResponseHead, IsRefusedHoweverItArrives) {
  const std::pair<const char*, std::string> texts[] = {
      {"not HTTP", "SSH-2.0-OpenSSH\r\n"},
      {"empty line first", "\r\n" + ok("")},
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"},
      {"bare LF in the blank line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n"},
      {"HTTP/2.0", response("HTTP/2.0 200 OK")},
      {"HTTP/0.9", response("HTTP/0.9 200 OK")},
      {"ICY", response("ICY 200 OK")},
      {"lower case", response("http/1.1 200 OK")},
      {"version alone", response("HTTP/1.1")},
      {"two blanks", response("HTTP/1.1  200 OK")},
      {"two digits", response("HTTP/1.1 20 OK")},
      {"four digits", response("HTTP/1.1 2000 OK")},
      {"signed status", response("HTTP/1.1 +20 OK")},
      {"status below 100", response("HTTP/1.1 099 OK")},
      {"reason without blank", response("HTTP/1.1 200OK")},
      {"CR in the reason", response("HTTP/1.1 200 O\rK")},
      {"NUL in the reason", response("HTTP/1.1 200 O\0K"s)},
      {"obs-fold", ok("a: b\r\n c\r\n")},
      {"blank before the colon", ok("Content-Length : 5\r\n")},
      {"control in a value", ok("a: \x01\r\n")},
      {"no colon", ok("abc\r\n")},
      {"two Content-Lengths, equal", ok("Content-Length: 5\r\nContent-Length: 5\r\n")},
      {"listed Content-Length", ok("Content-Length: 5, 5\r\n")},
      {"signed Content-Length", ok("Content-Length: +5\r\n")},
      {"Content-Length and chunked", ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
      {"gzip", ok("Transfer-Encoding: gzip\r\n")},
      {"gzip, chunked", ok("Transfer-Encoding: gzip, chunked\r\n")},
      {"chunked twice", ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {"chunked in HTTP/1.0", response("HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\n")},
  };
  for (const auto& [why, text] : texts) {
    SCOPED_TRACE(why);
    for (const Cuts& cuts : all_ways(text)) ASSERT_NE(feed_response(text, cuts).status, 0);
    EXPECT_TRUE(refuses(text, "HEAD"));
  }
}

TEST(ResponseHead, IsRefusedByItsFirstBytes) {
  EXPECT_TRUE(refuses("S"));
  EXPECT_TRUE(refuses("HTTQ"));
  EXPECT_TRUE(refuses("\x15\x03\x03"));
  EXPECT_FALSE(refuses("HTTP"));
}

TEST(ResponseLimits, AreRefusedBeforeTheHeadIsWhole) {
  const HeadLimits limits = {.head_bytes = 100, .fields = 2, .target_bytes = 5};
  const auto over = [&](std::string_view text) {
    return feed_response(text, in_one_piece(text), "GET", limits).status != 0;
  };
  EXPECT_FALSE(over("HTTP/1.1 200 " + std::string(80, 'x')));
  EXPECT_TRUE(over("HTTP/1.1 200 " + std::string(90, 'x')));
  EXPECT_FALSE(over(ok("a: 1\r\nb: 2\r\n")));
  EXPECT_TRUE(over("HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\nc: 3\r\n"));
}

}  // namespace
}  // namespace hangup::http
