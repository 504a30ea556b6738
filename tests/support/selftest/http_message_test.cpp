#include "support/http_message.h"

#include <gtest/gtest.h>

namespace hangup::test {
namespace {

Message read_response(std::string_view bytes, std::string method = "GET") {
  MessageReader reader = MessageReader::for_response(std::move(method));
  EXPECT_EQ(reader.feed(bytes), bytes.size());
  return *reader.message();
}

TEST(MessageReader, ReadsEveryFramingByteByByte) {
  const std::string chunked = chunked_head() + chunk("hello ") + "5;ext=1\r\nworld\r\n0\r\nX-Sum: 9\r\n\r\n";
  for (const std::string& bytes : {response(200, "hello world"), chunked}) {
    MessageReader reader = MessageReader::for_response("GET");
    for (const char byte : bytes) {
      EXPECT_FALSE(reader.message()->complete);
      EXPECT_EQ(reader.feed(std::string_view(&byte, 1)), 1U);
    }
    EXPECT_TRUE(reader.message()->complete);
    EXPECT_EQ(reader.message()->body, "hello world");
  }
  EXPECT_EQ(read_response(chunked).trailers, (FieldList{{"X-Sum", "9"}}));
}

TEST(MessageReader, StopsAtTheEndOfItsMessage) {
  const std::string one = response(200, "one");
  MessageReader reader = MessageReader::for_response("GET");
  EXPECT_EQ(reader.feed(one + response(200, "two")), one.size());
  EXPECT_EQ(reader.message()->body, "one");
}

TEST(MessageReader, GivesNoBodyToHeadNoContentAndNotModified) {
  EXPECT_TRUE(read_response("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD").complete);
  EXPECT_TRUE(read_response(response(204)).complete);
  EXPECT_TRUE(read_response(response(304)).complete);
  EXPECT_TRUE(read_response(response(103)).complete);
}

TEST(MessageReader, EndsABodyWithoutFramingWithTheConnection) {
  MessageReader reader = MessageReader::for_response("GET");
  reader.feed(response_head(200, {}) + "some");
  EXPECT_FALSE(reader.message()->complete);
  reader.end_of_input();
  EXPECT_TRUE(reader.message()->complete);
  EXPECT_EQ(reader.message()->body, "some");
}

TEST(MessageReader, CallsACutBodyIncomplete) {
  for (const std::string& bytes : {chunked_head() + chunk("a"), chunked_head() + "5\r\nab",
                                   response_head(200, {{"Content-Length", "5"}}) + "abcd"}) {
    MessageReader reader = MessageReader::for_response("GET");
    reader.feed(bytes);
    reader.end_of_input();
    EXPECT_FALSE(reader.message()->complete) << bytes;
  }
}

TEST(MessageReader, RefusesWhatIsNotHttpBeyondDoubt) {
  for (const char* bytes :
       {"HTTP/1.1 200 OK\nA: b\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nA b\r\n\r\n",
        "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"}) {
    MessageReader reader = MessageReader::for_response("GET");
    EXPECT_THROW(reader.feed(bytes), Malformed) << bytes;
  }
  MessageReader reader = MessageReader::for_request();
  EXPECT_THROW(reader.feed("GET / HTTP/1.1\r\n\r\n"), Malformed);
}

TEST(MessageReader, KeepsTheFrontOfALargeBodyAndDigestsAllOfIt) {
  const std::string body = noise(100'000);
  MessageReader reader = MessageReader::for_request(1000);
  reader.feed(post("/", body));
  EXPECT_EQ(reader.message()->body, body.substr(0, 1000));
  EXPECT_EQ(reader.message()->body_bytes, body.size());
  EXPECT_EQ(reader.message()->digest.value(), Digest().add(body).value());
}

}  // namespace
}  // namespace hangup::test
