#include "unit/http/feeding.h"

#include <gtest/gtest.h>

#include <string>

#include <hangup/http/chunks.h>
#include <hangup/http/message.h>

namespace hangup::http {
namespace {

Fields two_fields() {
  Fields fields;
  fields.add("Host", "h");
  fields.add("X-Empty", "");
  return fields;
}

std::string request(const Framing& framing) {
  std::string out = "before ";
  append_request_head(out, "PUT", "/a?b", two_fields(), framing);
  return out;
}

TEST(AppendRequestHead, WritesTheFieldOfTheFraming) {
  const std::string start = "before PUT /a?b HTTP/1.1\r\nHost: h\r\nX-Empty: \r\n";
  EXPECT_EQ(request(Framing::no_body()), start + "\r\n");
  EXPECT_EQ(request(Framing::of_length(0)), start + "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(request(Framing::of_length(18'446'744'073'709'551'615U)),
            start + "Content-Length: 18446744073709551615\r\n\r\n");
  EXPECT_EQ(request(Framing::in_chunks()), start + "Transfer-Encoding: chunked\r\n\r\n");
}

TEST(AppendRequestHead, IsReadBackTheSame) {
  std::string out;
  append_request_head(out, "PUT", "/a?b", two_fields(), Framing::of_length(12));
  const RequestHead head = parse_request(out);
  EXPECT_EQ(head.method, "PUT");
  EXPECT_EQ(head.target, "/a?b");
  EXPECT_EQ(head.framing, Framing::of_length(12));
  EXPECT_EQ(describe(head.fields), "Host=h\nX-Empty=\nContent-Length=12\n");
}

TEST(AppendResponseStart, LeavesTheBlankLineToTheCaller) {
  std::string out = "before ";
  append_response_start(out, 200, "Fine", two_fields());
  EXPECT_EQ(out, "before HTTP/1.1 200 Fine\r\nHost: h\r\nX-Empty: \r\n");
}

TEST(AppendResponseStart, HasTheStandardReasonForNone) {
  std::string out;
  append_response_start(out, 404, "", {});
  append_response_start(out, 299, "", {});
  EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\nHTTP/1.1 299 \r\n");
}

TEST(ReasonPhrase, IsEmptyForAStatusWithoutName) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(499), "Client Closed Request");
  EXPECT_EQ(reason_phrase(504), "Gateway Timeout");
  EXPECT_EQ(reason_phrase(299), "");
  EXPECT_EQ(reason_phrase(0), "");
}

TEST(IsIdempotent, IsTrueForTheMethodsOfTheRfc) {
  for (const std::string_view method : {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}) {
    EXPECT_TRUE(is_idempotent(method)) << method;
  }
  for (const std::string_view method : {"POST", "PATCH", "get", "", "LOCK"})
    EXPECT_FALSE(is_idempotent(method)) << method;
}

TEST(Chunks, AreReadBackTheSame) {
  Fields trailers;
  trailers.add("A", "b");
  std::string out;
  append_chunk_start(out, 26);
  EXPECT_EQ(out, "1a\r\n");
  out += std::string(26, 'x') + chunk_end;
  append_last_chunk(out, trailers);
  BodyDecoder decoder(Framing::in_chunks());
  const auto data = decoder.decode(out).value();
  EXPECT_EQ(data.payload, std::string(26, 'x'));
  ASSERT_TRUE(decoder.decode(std::string_view(out).substr(data.consumed)).has_value());
  ASSERT_TRUE(decoder.done());
  EXPECT_EQ(describe(decoder.trailers()), "A=b\n");
}

}  // namespace
}  // namespace hangup::http
