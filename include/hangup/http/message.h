// Parsed HTTP/1 heads, and the verdict on their framing. Strict: what two parsers could read in two ways is
// an error (RFC 9112 sections 2 to 7, 11).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <hangup/http/fields.h>

namespace hangup::http {

// Where a message's body ends (RFC 9112 section 6.3).
struct Framing {
  enum class Kind : std::uint8_t { none, length, chunked, until_close };
  Kind kind = Kind::none;
  std::uint64_t length = 0;  // for Kind::length; may be 0

  static constexpr Framing no_body() { return {}; }
  static constexpr Framing of_length(std::uint64_t n) { return {Kind::length, n}; }
  static constexpr Framing in_chunks() { return {Kind::chunked, 0}; }
  static constexpr Framing to_close() { return {Kind::until_close, 0}; }
  bool empty() const { return kind == Kind::none || (kind == Kind::length && length == 0); }
  bool operator==(const Framing&) const = default;
};

// http11 also for what calls itself 1.2 or later: it is read as 1.1 (RFC 9110 section 2.5).
enum class Version : std::uint8_t { http10, http11 };

// Why a message is refused. `status` is what a server answers to such a request (RFC 9110 section 15.5); for
// a response it means nothing. The message is fit to be logged and to be sent to the client: it quotes no
// bytes of the message.
struct ParseError {
  int status = 400;
  std::string message;
};

// Limits for one head. A head is refused as soon as it is over one, before it is whole.
struct HeadLimits {
  std::size_t head_bytes = 32 * 1024;    // start line and fields, with their line ends; 431
  std::size_t fields = 100;              // 431
  std::size_t target_bytes = 16 * 1024;  // request target; 414
};

// A request's head. Owns its bytes; every view points into them and stays good when the object is moved. Not
// copied.
struct RequestHead {
  std::string_view method;
  std::string_view target;  // as received
  // Of origin-form or absolute-form, as received; never empty: "/" at least, and "*" for OPTIONS of the
  // server itself ("*", or an absolute-form without path and query).
  std::string_view path;
  std::string_view query;  // after the first '?', without it
  bool has_query = false;  // "/x?" has an empty one
  // Host, or the target's authority; with its port; empty only for HTTP/1.0 without Host.
  std::string_view host;
  Version version = Version::http11;
  Fields fields;
  Framing framing;                // none, length or chunked
  bool keep_alive = true;         // what the client wants, from version and Connection
  bool expects_continue = false;  // Expect: 100-continue, in HTTP/1.1 and with a body

  std::unique_ptr<char[]> storage;
};

// A response's head. Owns its bytes, as RequestHead does.
struct ResponseHead {
  int status = 0;           // 100 to 999
  std::string_view reason;  // may be empty; checked
  Version version = Version::http11;
  Fields fields;
  Framing framing;         // any kind
  bool keep_alive = true;  // whether the connection can serve another request after this response

  std::unique_ptr<char[]> storage;
};

// How far a head was looked at.
struct HeadScan {
  std::size_t scanned = 0;  // bytes that need no second look
  std::size_t lines = 0;    // whole ones that are not empty
};

// Finds and reads one request head, however it arrives. Not to be used again after an error.
class RequestHeadParser {
 public:
  explicit RequestHeadParser(const HeadLimits& limits) : limits_(limits) {}

  // `bytes` is all that has come since the end of the message before (the same bytes again, with more behind
  // them, at each call). Returns how many bytes the head took, its blank line included: 0 when it is not
  // whole yet. Looks at each byte once over all calls. Up to two empty lines before the request line are
  // skipped (RFC 9112 section 2.2) and counted into the head. What can be refused before the head is whole is
  // refused at once: a bare LF, a first byte that starts no request, and what is over a limit.
  std::expected<std::size_t, ParseError> parse(std::string_view bytes);
  // The head, after parse() returned a number; the parser is then ready for the next message.
  RequestHead take() { return std::move(*std::exchange(head_, nullptr)); }

 private:
  HeadLimits limits_;
  HeadScan scan_;
  std::unique_ptr<RequestHead> head_;  // until it is taken: most of the time there is none
};

// The same for a response. An interim (1xx) response is a head of its own with Framing none: the caller goes
// on parsing, and bounds how many of them it takes.
class ResponseHeadParser {
 public:
  explicit ResponseHeadParser(const HeadLimits& limits) : limits_(limits) {}

  // `request_method` decides about the body (HEAD; RFC 9112 section 6.3).
  std::expected<std::size_t, ParseError> parse(std::string_view bytes, std::string_view request_method);
  ResponseHead take() { return std::move(*std::exchange(head_, nullptr)); }

 private:
  HeadLimits limits_;
  HeadScan scan_;
  std::unique_ptr<ResponseHead> head_;  // until it is taken: most of the time there is none
};

// Takes a body out of its framing.
class BodyDecoder {
 public:
  BodyDecoder() = default;
  explicit BodyDecoder(const Framing& framing);

  struct Step {
    std::size_t consumed = 0;  // bytes of the input that are done with
    std::string_view payload;  // body bytes, a view into the input; may be empty
  };
  // Takes bytes from the front of `input` up to the end of one run of payload; call again with the rest until
  // it consumes nothing or done(). Chunk extensions are checked and dropped; trailers that a recipient must
  // not act on (RFC 9110 section 6.5.1: framing, routing, authentication, ...) are dropped too. Never keeps
  // more than the trailers (bounded at 8 KiB and 100 fields). Not to be called again after an error.
  std::expected<Step, ParseError> decode(std::string_view input);
  // The whole body was seen. Never true for Kind::until_close, whose end is the connection's.
  bool done() const { return state_ == State::done; }
  // The trailers of a chunked body, once done(); views into what this object owns, good also when it is
  // moved.
  const Fields& trailers() const;

 private:
  enum class State : std::uint8_t {
    until_close,
    payload,       // of a body with a length
    size,          // in a chunk's size
    size_padding,  // blanks between the size and `;`
    extension,
    size_lf,
    data,  // of a chunk
    data_cr,
    data_lf,
    trailer_start,  // at the start of a line after the last chunk
    trailer,
    last_lf,
    done,
  };
  struct Trailers {
    std::string bytes;
    std::size_t lines = 0;
    Fields fields;
  };

  // Each takes one byte, or one run, and moves on.
  std::expected<void, ParseError> take_framing(char c);
  std::expected<void, ParseError> take_size(char c);
  std::expected<void, ParseError> take_extension(char c);
  std::expected<std::size_t, ParseError> take_trailer(std::string_view input);
  std::expected<void, ParseError> finish();
  void start_chunk();

  State state_ = State::done;
  std::uint8_t size_digits_ = 0;
  std::uint16_t extension_bytes_ = 0;
  std::uint64_t left_ = 0;  // of the body, or of the chunk
  std::unique_ptr<Trailers> trailers_;
};

// RFC 9110 section 9.2.2: sending the request twice has the effect of sending it once.
bool is_idempotent(std::string_view method);

// RFC 9110 section 15; "Client Closed Request" for 499, "" for one that has no name.
std::string_view reason_phrase(int status);

// Appends "METHOD target HTTP/1.1\r\n", the fields, and the field of the framing (Content-Length for length,
// Transfer-Encoding for chunked), and the blank line. The caller has taken out hop-by-hop and framing fields.
void append_request_head(std::string& out, std::string_view method, std::string_view target,
                         std::span<const Field> fields, const Framing& framing);

// Appends "HTTP/1.1 200 OK\r\n" and the fields, without the blank line, so that the caller can add its own.
// An empty reason becomes the standard one. REQUIRES: 100 <= status <= 999. For both: what is appended was
// parsed or checked before, and has no CR, LF or NUL.
void append_response_start(std::string& out, int status, std::string_view reason,
                           std::span<const Field> fields);

}  // namespace hangup::http
