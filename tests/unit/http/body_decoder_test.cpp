#include "unit/http/feeding.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <string_view>

#include <hangup/http/message.h>

namespace hangup::http {
namespace {

using namespace std::literals;

static_assert(sizeof(BodyDecoder) <= 64, "there is one for each exchange");

struct Decoded {
  std::string payload;
  std::size_t consumed = 0;
  bool done = false;
  int status = 0;
  std::string trailers;

  bool operator==(const Decoded&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Decoded& decoded) {
  return out << "<" << decoded.payload << "> consumed " << decoded.consumed << " done " << decoded.done
             << " status " << decoded.status << " trailers " << decoded.trailers;
}

// Gives each piece until nothing of it is taken; what is left goes before the next piece.
Decoded decode(const Framing& framing, std::string_view text, const Cuts& cuts) {
  BodyDecoder decoder(framing);
  Decoded result;
  for (const std::size_t end : cuts) {
    while (!decoder.done()) {
      const std::string input(text.substr(result.consumed, end - result.consumed));
      const auto step = decoder.decode(input);
      if (!step) {
        result.status = step.error().status;
        return result;
      }
      if (!step->payload.empty()) {
        EXPECT_GE(step->payload.data(), input.data());
        EXPECT_LE(step->payload.data() + step->payload.size(), input.data() + step->consumed);
      }
      result.payload += step->payload;
      result.consumed += step->consumed;
      if (step->consumed == 0) break;
    }
  }
  result.done = decoder.done();
  if (result.done) {
    const BodyDecoder moved = std::move(decoder);
    result.trailers = describe(moved.trailers());
  }
  return result;
}

Decoded decode_chunks(std::string_view text) {
  return decode(Framing::in_chunks(), text, in_one_piece(text));
}

int chunk_status(std::string_view text) {
  return decode_chunks(text).status;
}

void expect_however_it_arrives(const Framing& framing, std::string_view text, const Decoded& expected) {
  for (const Cuts& cuts : all_ways(text)) ASSERT_EQ(decode(framing, text, cuts), expected) << text;
}

TEST(BodyDecoder, WithoutABodyIsDoneAtOnce) {
  EXPECT_TRUE(BodyDecoder().done());
  EXPECT_TRUE(BodyDecoder(Framing::no_body()).done());
  EXPECT_TRUE(BodyDecoder(Framing::of_length(0)).done());
  BodyDecoder decoder(Framing::no_body());
  EXPECT_EQ(decoder.decode("GET /").value().consumed, 0U);
}

TEST(BodyDecoder, TakesALengthAndNoMore) {
  expect_however_it_arrives(Framing::of_length(5), "hel\r\nrest", {"hel\r\n", 5, true, 0, ""});
  expect_however_it_arrives(Framing::of_length(6), "hello", {"hello", 5, false, 0, ""});
}

TEST(BodyDecoder, TakesAllUntilClose) {
  expect_however_it_arrives(Framing::to_close(), "a\r\n0\r\n\r\nz", {"a\r\n0\r\n\r\nz", 9, false, 0, ""});
}

TEST(BodyDecoder, PayloadIsAViewIntoTheInput) {
  BodyDecoder decoder(Framing::in_chunks());
  const std::string_view input = "5\r\nhello\r\n";
  const auto step = decoder.decode(input).value();
  EXPECT_EQ(step.payload.data(), input.data() + 3);
  EXPECT_EQ(step.payload, "hello");
  EXPECT_EQ(step.consumed, 8U);
}

TEST(ChunkedBody, IsPutTogetherHoweverItArrives) {
  const std::pair<std::string, std::string> bodies[] = {
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"3\r\n\r\n0\r\nA\r\n0123456789\r\n00\r\n\r\n", "\r\n00123456789"},
      {"1\r\na\r\n1\r\nb\r\n0000000000000001\r\nc\r\n0000000000000000\r\n\r\n", "abc"},
      {"2;x\r\nab\r\n2;a=b;c=\"d e\"\r\ncd\r\n0;last\r\n\r\n", "abcd"},
      {"2 \t;x\r\nab\r\n0 ;\r\n\r\n", "ab"},
      {"1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", "abcdefghijklmnopqrstuvwxyz"},
      {"1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", "abcdefghijklmnopqrstuvwxyz"},
  };
  for (const auto& [text, payload] : bodies) {
    expect_however_it_arrives(Framing::in_chunks(), text, {payload, text.size(), true, 0, ""});
    expect_however_it_arrives(Framing::in_chunks(), text + "GET / HTTP/1.1\r\n",
                              {payload, text.size(), true, 0, ""});
  }
}

TEST(ChunkedBody, IsNotDoneBeforeItsLastByte) {
  const std::string text = "5\r\nhello\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const Decoded decoded = decode(Framing::in_chunks(), text, {size});
    EXPECT_FALSE(decoded.done) << size;
    EXPECT_EQ(decoded.consumed, size);
    EXPECT_EQ(decoded.status, 0);
  }
}

TEST(ChunkedBody, IsRefusedHoweverItArrives) {
  const std::string texts[] = {
      "\r\n",
      "\n",
      "g\r\n",
      "0x5\r\n",
      "+5\r\n",
      "-5\r\n",
      " 5\r\n",
      "\v5\r\n",
      "5\n",
      "5\r\r\n",
      "5 \r\n",
      "5\t\r\n",
      "5 junk\r\n",
      "5\0zz\r\n"s,
      "5;a\nhello",
      "5;a\rhello",
      "5;\x01\r\n",
      "5;\0\r\n"s,
      ";x\r\n",
      "5;\x7f\r\n",
      "5\r\nhello0\r\n",
      "5\r\nhello\n",
      "5\r\nhello\r0",
      "5\r\nhello\n\r\n",
      "5\r\nhello\r\n\r\n",
      "0\r\n\n",
      "0\r\n\r\r\n",
      "0\r\nA: b\n",
      "0\r\nA: b\r\n\n",
      "0\n\r\n",
      "0\r\nA b\r\n\r\n",
      "0\r\n A: b\r\n\r\n",
      "0\r\nA: b\r\n c\r\n\r\n",
      "0\r\nA : b\r\n\r\n",
      "0\r\n: b\r\n\r\n",
      "0\r\nA: b\rc\r\n\r\n",
      "0\r\nA: \0\r\n\r\n"s,
      "0\r\nA: b\r\n\rX",
      "00000000000000005\r\n",
      "10000000000000000\r\n",
      "ffffffffffffffff\r\n",
      "8000000000000000\r\n",
  };
  for (const std::string& text : texts) {
    SCOPED_TRACE(text);
    for (const Cuts& cuts : all_ways(text)) ASSERT_EQ(decode(Framing::in_chunks(), text, cuts).status, 400);
  }
}

TEST(ChunkedBody, IsRefusedAtTheFirstWrongByte) {
  EXPECT_EQ(chunk_status("5\n"), 400);
  EXPECT_EQ(chunk_status("00000000000000000"), 400);
  EXPECT_EQ(chunk_status("5\r\nhelloX"), 400);
  EXPECT_EQ(chunk_status("5x"), 400);
}

TEST(ChunkedBody, TakesTheLargestSizeAndCountsRight) {
  EXPECT_EQ(chunk_status("7fffffffffffffff\r\nabc"), 0);
  EXPECT_EQ(decode_chunks("7fffffffffffffff\r\nabc").payload, "abc");
}

TEST(ChunkedBody, BoundsExtensionsOfEachChunk) {
  const std::string most = ";" + std::string(1023, 'x');
  EXPECT_EQ(chunk_status("1" + most + "\r\na\r\n1" + most + "\r\nb\r\n0" + most + "\r\n\r\n"), 0);
  EXPECT_EQ(chunk_status("1" + most + "x"), 400);
  EXPECT_EQ(chunk_status("1" + std::string(1025, ' ')), 400);
}

TEST(Trailers, AreReadByTheRulesOfFields) {
  const std::string text = "1\r\na\r\n0\r\nGrpc-Status: 0\r\nx-digest:\t a b \r\nX-Digest:\r\n\r\n";
  expect_however_it_arrives(Framing::in_chunks(), text + "GET",
                            {"a", text.size(), true, 0, "Grpc-Status=0\nx-digest=a b\nX-Digest=\n"});
}

TEST(Trailers, ThatMustNotBeActedOnAreDropped) {
  std::string text = "0\r\nA: 1\r\n";
  for (const std::string name : {"Transfer-Encoding",
                                 "content-length",
                                 "HOST",
                                 "Connection",
                                 "Trailer",
                                 "TE",
                                 "Upgrade",
                                 "Authorization",
                                 "Proxy-Authorization",
                                 "Cookie",
                                 "Set-Cookie",
                                 "X-Forwarded-For",
                                 "x-forwarded-anything",
                                 "Forwarded",
                                 "Via",
                                 "Expect",
                                 "If-Match",
                                 "Range",
                                 "Content-Type",
                                 "Content-Encoding",
                                 "Cache-Control",
                                 "X-Request-Id"}) {
    text += name + ": x\r\n";
  }
  EXPECT_EQ(decode_chunks(text + "X-Forwarded: 2\r\n\r\n").trailers, "A=1\nX-Forwarded=2\n");
}

TEST(Trailers, AreBounded) {
  const std::string largest = "A: " + std::string(8 * 1024 - 5, 'x') + "\r\n";
  EXPECT_EQ(chunk_status("0\r\n" + largest + "\r\n"), 0);
  EXPECT_TRUE(decode_chunks("0\r\n" + largest + "\r\n").done);
  EXPECT_EQ(chunk_status("0\r\n" + largest + "B"), 431);
  EXPECT_EQ(chunk_status("0\r\n" + std::string(9000, 'x')), 431);

  std::string most = "0\r\n";
  for (int i = 0; i < 100; ++i) most += "A: b\r\n";
  EXPECT_TRUE(decode_chunks(most + "\r\n").done);
  EXPECT_EQ(chunk_status(most + "A: b\r\n"), 431);
}

TEST(BodyDecoder, CanBeReplaced) {
  BodyDecoder decoder(Framing::in_chunks());
  ASSERT_TRUE(decoder.decode("0\r\nA: b\r\n\r\n").has_value());
  ASSERT_EQ(decoder.trailers().size(), 1U);
  decoder = BodyDecoder(Framing::of_length(1));
  EXPECT_FALSE(decoder.done());
  EXPECT_TRUE(decoder.trailers().empty());
}

TEST(ChunkedBody, OfRandomMutationsReadsTheSameHoweverItArrives) {
  std::mt19937 random(20240608);
  const std::string good =
      "5\r\nhello\r\n1 ;x=\"y\"\r\nz\r\n0a\r\n0123456789\r\n0\r\nA: b\r\nHost: c\r\n\r\n";
  constexpr std::string_view alphabet = "\0\t\n\r 0159;:Aafg\x7f\x80"sv;
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(text.size());
      if (below(2) == 0) {
        text[at] = alphabet[below(alphabet.size())];
      } else {
        text.insert(at, 1, alphabet[below(alphabet.size())]);
      }
    }
    Decoded whole = decode_chunks(text);
    Decoded bytewise = decode(Framing::in_chunks(), text, byte_by_byte(text));
    // Up to an error, how much was taken depends on the pieces; the payload and the verdict do not.
    if (whole.status != 0) whole.consumed = bytewise.consumed = 0;
    ASSERT_EQ(bytewise, whole) << text;
  }
}

}  // namespace
}  // namespace hangup::http
