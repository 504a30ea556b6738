// HTTP/1 messages as the test peers make and read them: a reader of its own, strict, that shares nothing with
// the code under test.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace hangup::test {

struct Field {
  std::string name;
  std::string value;
  bool operator==(const Field&) const = default;
};

// A running checksum, for bodies too large to keep.
class Digest {
 public:
  Digest& add(std::string_view bytes) {
    for (const char byte : bytes) value_ = (value_ ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
    return *this;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

// A request or a response, as much of it as has come.
struct Message {
  enum class Framing { none, length, chunked, until_close };

  std::string method, target;  // of a request
  int status = 0;              // of a response
  std::string reason;
  std::string version;  // "HTTP/1.1"
  std::vector<Field> fields;
  std::vector<Field> trailers;
  Framing framing = Framing::none;
  std::uint64_t length = 0;      // announced by Content-Length, also where no body follows
  std::string body;              // its first bytes, as many as the reader keeps
  std::uint64_t body_bytes = 0;  // all of them, with their digest
  Digest digest;
  bool head_complete = false;
  bool complete = false;  // false for good: it was cut off

  std::string path() const { return target.substr(0, target.find('?')); }
  // The values of all fields of that name; names compare without case.
  std::vector<std::string> all(std::string_view name) const;
  // The one field of that name; nullopt for none, throws for several.
  std::optional<std::string> header(std::string_view name) const;
  bool has(std::string_view name) const { return !all(name).empty(); }
};

// What a peer sent is not HTTP, or not beyond doubt.
class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Reads one message.
class MessageReader {
 public:
  static constexpr std::size_t default_keep = 1 << 20;

  static MessageReader for_request(std::size_t keep = default_keep);
  // The method of the request decides about the body. An interim (1xx) response is a message of its own.
  static MessageReader for_response(std::string method, std::size_t keep = default_keep);

  // Returns how many of the bytes it took: all, or those up to the message's end. Throws Malformed.
  std::size_t feed(std::string_view bytes);
  // The connection has ended, which completes a message framed by that.
  void end_of_input();
  // Shared, so that it can be looked at while it grows.
  const std::shared_ptr<Message>& message() const { return message_; }

 private:
  enum class State { start_line, fields, payload, chunk_size, chunk_data, chunk_end, trailers, done };

  explicit MessageReader(bool request) : request_(request) {}
  std::size_t take_line(std::string_view bytes);
  std::size_t take_payload(std::string_view bytes);
  void on_line(const std::string& line);
  void on_start_line(const std::string& line);
  void on_head();
  void on_chunk_size(const std::string& line);
  void finish();

  bool request_;
  std::string request_method_;
  std::size_t keep_ = default_keep;
  State state_ = State::start_line;
  std::string line_;
  std::uint64_t left_ = 0;
  std::shared_ptr<Message> message_ = std::make_shared<Message>();
};

using FieldList = std::vector<Field>;

// A whole request, with a Host field in front, and a Content-Length where there is a body.
std::string request(std::string_view method, std::string_view target, const FieldList& fields = {},
                    std::string_view body = {});
std::string get(std::string_view target, const FieldList& fields = {});
std::string post(std::string_view target, std::string_view body, const FieldList& fields = {});

// A whole response with a Content-Length.
std::string response(int status, std::string_view body = {}, const FieldList& fields = {});
// Heads alone; the framing's field is among `fields`, or there is none.
std::string response_head(int status, const FieldList& fields);
std::string chunked_head(int status = 200, const FieldList& fields = {});
std::string chunk(std::string_view data);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

// Bytes that look random and are always the same; any byte value.
std::string noise(std::size_t size);

}  // namespace hangup::test
