#include "unit/http/feeding.h"
#include "unit/http/requests.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>

#include <hangup/http/message.h>

namespace hangup::http {
namespace {

using namespace std::literals;

static_assert(!std::is_copy_constructible_v<RequestHead>, "views would point into another head's bytes");

constexpr std::string_view browser_request =
    "POST /reports/17?draft=1&x=%2f HTTP/1.1\r\n"
    "Host: reports.example.com:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "accept:\t*/* \t\r\n"
    "Accept: text/html\r\n"
    "X-Empty:\r\n"
    "X-Octets: a\tb \xc3\xa9\x80\xff\r\n"
    "Connection: keep-alive\r\n"
    "Content-Length: 42\r\n"
    "\r\n";

const std::array good_requests = {
    std::string(browser_request),
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n"s,
    "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"s,
    "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"s,
    "GET / HTTP/1.0\r\n\r\n"s,
    "GET /a?b?c HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"s,
    "PUT /x HTTP/1.1\r\nHost: [::1]:80\r\ntransfer-encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n"s,
    "GET http://h:80/p?q HTTP/1.1\r\nHost: H:80\r\n\r\n"s,
    "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"s,
    "PROPFIND /dav HTTP/1.1\r\nhOsT:10.0.0.1\r\nContent-Length: 0\r\n\r\n"s,
};

TEST(RequestHead, SaysAllThatTheBytesSay) {
  const RequestHead head = parse_request(browser_request);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/reports/17?draft=1&x=%2f");
  EXPECT_EQ(head.path, "/reports/17");
  EXPECT_TRUE(head.has_query);
  EXPECT_EQ(head.query, "draft=1&x=%2f");
  EXPECT_EQ(head.host, "reports.example.com:8080");
  EXPECT_EQ(head.version, Version::http11);
  EXPECT_EQ(head.framing, Framing::of_length(42));
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.expects_continue);
  EXPECT_EQ(describe(head.fields),
            "Host=reports.example.com:8080\n"
            "User-Agent=Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\n"
            "accept=*/*\n"
            "Accept=text/html\n"
            "X-Empty=\n"
            "X-Octets=a\tb \xc3\xa9\x80\xff\n"
            "Connection=keep-alive\n"
            "Content-Length=42\n");
}

TEST(RequestHead, ReadsTheSameHoweverItArrives) {
  for (const std::string& text : good_requests) {
    SCOPED_TRACE(text);
    const Verdict whole = feed_request(text, in_one_piece(text));
    ASSERT_EQ(whole.consumed, text.size());
    for (const Cuts& cuts : all_ways(text)) ASSERT_EQ(feed_request(text, cuts), whole);
  }
}

TEST(RequestHead, IsNotTakenBeforeItsLastByte) {
  for (const std::string& text : good_requests) {
    for (std::size_t size = 0; size < text.size(); ++size) {
      EXPECT_EQ(feed_request(std::string_view(text).substr(0, size), {size}), Verdict{}) << text << size;
    }
  }
}

TEST(RequestHead, LeavesWhatStandsBehindIt) {
  const std::string text = std::string(browser_request) + "body\r\n\r\nGET \n\0";
  EXPECT_EQ(feed_request(text, in_one_piece(text)).consumed, browser_request.size());
}

TEST(RequestHead, StaysGoodWhenMoved) {
  RequestHead first = parse_request(browser_request);
  const std::string before = describe(first);
  const RequestHead second = std::move(first);
  EXPECT_EQ(describe(second), before);
}

TEST(RequestHeadParser, ReadsOneRequestAfterAnother) {
  std::string text;
  for (const std::string& request : good_requests) text += request;
  RequestHeadParser parser(HeadLimits{});
  std::string_view rest = text;
  for (const std::string& request : good_requests) {
    const auto parsed = parser.parse(rest);
    ASSERT_TRUE(parsed.has_value());
    ASSERT_EQ(*parsed, request.size());
    EXPECT_EQ(describe(parser.take()), feed_request(request, in_one_piece(request)).head);
    rest.remove_prefix(*parsed);
  }
}

TEST(RequestHeadParser, DoesNotLookTwiceForTheEnd) {
  RequestHeadParser parser(HeadLimits{});
  EXPECT_EQ(parser.parse("GET /aaaa HTTP/1.1\r\nHost: h").value_or(1), 0U);
  // A second look would find the LF that was not there before.
  EXPECT_EQ(parser.parse("GET /a\naa HTTP/1.1\r\nHost: hh").value_or(1), 0U);
}

TEST(RequestFields, HaveTokensForNames) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (c == ':') continue;  // ends the name
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool good = letter || (byte != 0 && others.contains(c));
    EXPECT_EQ(accepts(with_fields("a"s + c + "b: x\r\n")), good) << byte;
  }
}

TEST(RequestFields, HaveNoControlsInValues) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool good = c == '\t' || (byte >= 0x20 && byte != 0x7f);
    for (const std::string& value :
         {"x"s + c + "y", "0123456789"s + c + "0123456789", "01234567"s + c + "89abcde"}) {
      EXPECT_EQ(accepts(with_fields("a: " + value + "\r\n")), good) << byte;
    }
  }
}

struct Refused {
  const char* why;
  std::string text;
  int status = 400;
};

const Refused refused_requests[] = {
    {"bare LF behind the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n"},
    {"bare LF behind a field", "GET / HTTP/1.1\r\nHost: h\n\r\n"},
    {"bare LF for the blank line", "GET / HTTP/1.1\r\nHost: h\r\n\n"},
    {"bare LF before the request line", "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"three empty lines before the request", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"two CRs before LF", with_fields("a: b\r\r\n")},
    {"two CRs in the blank line", "GET / HTTP/1.1\r\nHost: h\r\n\r\r\n\r\n"},
    {"bare CR in a value", with_fields("a: b\rc: d\r\n")},
    {"bare CR in front of the method", "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"NUL in a value", with_fields("a: b\0c\r\n"s)},
    {"line that starts with NUL", with_fields("\0\r\n"s)},
    {"NUL in the version", "GET / HTTP/1.1\0\r\nHost: h\r\n\r\n"s},
    {"obs-fold", with_fields("a: b\r\n c\r\n")},
    {"obs-fold by a tab", with_fields("a: b\r\n\tc: d\r\n")},
    {"obs-fold as first field line", "GET / HTTP/1.1\r\n Host: h\r\n\r\n"},
    {"line of blanks", with_fields(" \r\n")},
    {"blank before the colon", with_fields("a : b\r\n")},
    {"blank before the colon of Transfer-Encoding", with_fields("Transfer-Encoding : chunked\r\n")},
    {"tab before the colon of Content-Length", with_fields("Content-Length\t: 5\r\n")},
    {"empty name", with_fields(": b\r\n")},
    {"no colon", with_fields("abc\r\n")},
    {"brackets in a name", with_fields("a(b): c\r\n")},

    {"two Content-Lengths, equal", with_fields("Content-Length: 5\r\nContent-Length: 5\r\n")},
    {"two Content-Lengths", with_fields("Content-Length: 5\r\ncontent-length: 6\r\n")},
    {"Content-Length with plus", with_fields("Content-Length: +5\r\n")},
    {"Content-Length with minus", with_fields("Content-Length: -0\r\n")},
    {"listed Content-Length", with_fields("Content-Length: 5,5\r\n")},
    {"Content-Length with a blank inside", with_fields("Content-Length: 5 5\r\n")},
    {"hexadecimal Content-Length", with_fields("Content-Length: 0x5\r\n")},
    {"Content-Length with an exponent", with_fields("Content-Length: 1e1\r\n")},
    {"Content-Length behind a vertical tab", with_fields("Content-Length: \v5\r\n")},
    {"padded Content-Length", with_fields("Content-Length: 05\r\n")},
    {"Content-Length of two zeros", with_fields("Content-Length: 00\r\n")},
    {"empty Content-Length", with_fields("Content-Length:\r\n")},
    {"Content-Length of 19 digits", with_fields("Content-Length: 1000000000000000000\r\n")},
    {"Content-Length of 2^64 + 5", with_fields("Content-Length: 18446744073709551621\r\n")},
    {"Content-Length and chunked", with_fields("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
    {"chunked and Content-Length", with_fields("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")},
    {"Content-Length and unknown coding", with_fields("Content-Length: 5\r\nTransfer-Encoding: x\r\n")},

    {"chunked twice", with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
    {"gzip line and chunked line", with_fields("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")},
    {"chunked, chunked", with_fields("Transfer-Encoding: chunked, chunked\r\n")},
    {"gzip, chunked", with_fields("Transfer-Encoding: gzip, chunked\r\n")},
    {"chunked, identity", with_fields("Transfer-Encoding: chunked, identity\r\n")},
    {"chunked with comma behind", with_fields("Transfer-Encoding: chunked,\r\n")},
    {"chunked with comma before", with_fields("Transfer-Encoding: ,chunked\r\n")},
    {"chunked with parameter", with_fields("Transfer-Encoding: chunked;q=1\r\n")},
    {"quoted chunked", with_fields("Transfer-Encoding: \"chunked\"\r\n")},
    {"chunked with vertical tab", with_fields("Transfer-Encoding: chunked\v\r\n")},
    {"vertical tab and chunked", with_fields("Transfer-Encoding: \vchunked\r\n")},
    {"empty Transfer-Encoding", with_fields("Transfer-Encoding: \r\n")},
    {"folded chunked", with_fields("Transfer-Encoding:\r\n chunked\r\n")},
    {"unknown coding", with_fields("Transfer-Encoding: xchunked\r\n"), 501},
    {"gzip alone", with_fields("Transfer-Encoding: gzip\r\n"), 501},
    {"identity", with_fields("Transfer-Encoding: identity\r\n"), 501},
    {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {"gzip in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n"},

    {"HTTP/0.9", "GET /\r\nHost: h\r\n\r\n"},
    {"HTTP/0.9 by number", "GET / HTTP/0.9\r\nHost: h\r\n\r\n"},
    {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 505},
    {"HTTP/1.10", "GET / HTTP/1.10\r\nHost: h\r\n\r\n"},
    {"HTTP/01.1", "GET / HTTP/01.1\r\nHost: h\r\n\r\n"},
    {"HTTP/1.+1", "GET / HTTP/1.+1\r\nHost: h\r\n\r\n"},
    {"HTTP/1.257", "GET / HTTP/1.257\r\nHost: h\r\n\r\n"},
    {"http/1.1", "GET / http/1.1\r\nHost: h\r\n\r\n"},
    {"words behind the version", "GET / HTTP/1.1 x\r\nHost: h\r\n\r\n"},
    {"blank behind the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n"},
    {"two blanks before the version", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"two blanks before the target", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"tab before the target", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"tab before the version", "GET /\tHTTP/1.1\r\nHost: h\r\n\r\n"},
    {"blank before the method", " GET / HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"blank in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"no target", "GET HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"method alone", "GET\r\nHost: h\r\n\r\n"},
    {"method that is no token", "GE(T / HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"method that is too long", std::string(33, 'M') + " / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
    {"endless method", std::string(40'000, 'M'), 501},
    {"TLS", "\x16\x03\x01\x02\x00\x01"s},
};

TEST(RequestHead, IsRefusedHoweverItArrives) {
  for (const auto& [why, text, status] : refused_requests) {
    SCOPED_TRACE(why);
    ASSERT_EQ(status_of(text), status);
    const auto bytes = std::string_view(text).substr(0, 1000);
    for (const Cuts& cuts : all_ways(bytes)) ASSERT_EQ(feed_request(bytes, cuts), (Verdict{status, 0, {}}));
  }
}

TEST(RequestHead, IsRefusedBeforeItIsWhole) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\n"), 400);
  EXPECT_EQ(status_of("\r\n\r\n\r\n"), 400);
  EXPECT_EQ(status_of("\x16"), 400);
  EXPECT_EQ(status_of("\n"), 400);
}

TEST(RequestHead, ErrorsQuoteNothingOfTheMessage) {
  RequestHeadParser parser(HeadLimits{});
  const auto parsed = parser.parse(with_fields("zqzq zqzq: zqzq\r\n"));
  ASSERT_FALSE(parsed.has_value());
  EXPECT_FALSE(parsed.error().message.empty());
  EXPECT_FALSE(parsed.error().message.contains("zqzq"));
}

TEST(RequestLimits, OfBytesHoldToTheByte) {
  const std::string text = with_fields("a: " + std::string(500, 'x') + "\r\n");
  EXPECT_TRUE(accepts(text, {.head_bytes = text.size(), .fields = 100, .target_bytes = 100}));
  EXPECT_EQ(status_of(text, {.head_bytes = text.size() - 1, .fields = 100, .target_bytes = 100}), 431);
  const std::string padded = "\r\n" + text;
  EXPECT_EQ(status_of(padded, {.head_bytes = text.size(), .fields = 100, .target_bytes = 100}), 431);
  // As soon as it cannot fit any more.
  const std::string_view unfinished = std::string_view(text).substr(0, 300);
  EXPECT_EQ(status_of(unfinished, {.head_bytes = 300, .fields = 100, .target_bytes = 100}), 431);
  EXPECT_EQ(status_of(unfinished, {.head_bytes = 301, .fields = 100, .target_bytes = 100}), 0);
}

TEST(RequestLimits, OfBytesDoNotCountTheBody) {
  const std::string head = with_fields("Content-Length: 1000\r\n");
  const std::string text = head + std::string(1000, 'x');
  EXPECT_EQ(
      feed_request(text, in_one_piece(text), {.head_bytes = head.size(), .fields = 9, .target_bytes = 9})
          .consumed,
      head.size());
}

TEST(RequestLimits, OfFieldsAreRefusedAtTheFirstTooMany) {
  const HeadLimits limits = {.head_bytes = 1000, .fields = 3, .target_bytes = 100};
  EXPECT_TRUE(accepts(with_fields("a: 1\r\nb: 2\r\n"), limits));
  EXPECT_EQ(status_of(with_fields("a: 1\r\nb: 2\r\nc: 3\r\n"), limits), 431);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\na: 1\r\nb: 2\r\nc: 3\r\n", limits), 431);
}

TEST(RequestLimits, OfTheTargetAreRefusedBeforeItsEnd) {
  const HeadLimits limits = {.head_bytes = 1000, .fields = 3, .target_bytes = 50};
  const std::string longest = "/" + std::string(49, 'a');
  EXPECT_TRUE(accepts(with_target(longest), limits));
  for (const Cuts& cuts : all_ways(with_target(longest))) {
    ASSERT_TRUE(feed_request(with_target(longest), cuts, limits).accepted());
  }
  EXPECT_EQ(status_of(with_target(longest + "a"), limits), 414);
  EXPECT_EQ(status_of("\r\n\r\nGET /" + std::string(70, 'a'), limits), 414);
  EXPECT_EQ(
      status_of("GET /" + std::string(2000, 'a'), {.head_bytes = 1000, .fields = 3, .target_bytes = 5000}),
      414);
}

TEST(RequestHead, OfRandomMutationsReadsTheSameHoweverItArrives) {
  std::mt19937 random(20240607);
  constexpr std::string_view alphabet = "\0\t\n\v\r \"#%,/0159:;?@AHTa[\\]\x7f\x80\xff"sv;
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  for (int round = 0; round < 3000; ++round) {
    std::string text = good_requests[below(good_requests.size())];
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(text.size());
      switch (below(3)) {
        case 0:
          text[at] = alphabet[below(alphabet.size())];
          break;
        case 1:
          text.insert(at, 1, alphabet[below(alphabet.size())]);
          break;
        default:
          text.erase(at, 1);
          break;
      }
    }
    const Verdict whole = feed_request(text, in_one_piece(text));
    const Verdict bytewise = feed_request(text, byte_by_byte(text));
    ASSERT_EQ(bytewise.accepted(), whole.accepted()) << text;
    ASSERT_EQ(bytewise.consumed, whole.consumed) << text;
    ASSERT_EQ(bytewise.head, whole.head) << text;
  }
}

}  // namespace
}  // namespace hangup::http
