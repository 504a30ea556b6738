// Reads a JSON text as it comes, in pieces of any size, and tells where its keys and values are. For bodies
// that stream by and for edits that leave every other byte alone; a document that is whole and small is
// better off with a JSON library.
//
// Strict (RFC 8259), but for one thing: bytes of a string beyond ASCII are not checked to be UTF-8. Keeps no
// byte of the text and allocates nothing: nesting deeper than `most_depth` is refused.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hangup::http {

class JsonScanner {
 public:
  static constexpr std::size_t most_depth = 128;

  enum class Kind : std::uint8_t { object, array, string, number, literal, key };

  // Hears of everything in the order of the text. Offsets count from the first byte ever fed. A string's and
  // a key's range has their quotes.
  class Handler {
   public:
    // `offset` is that of the first byte.
    virtual void on_start(Kind kind, std::uint64_t offset) = 0;
    // `offset` is one past the last byte.
    virtual void on_end(Kind kind, std::uint64_t offset) = 0;

   protected:
    ~Handler() = default;
  };

  // `handler` outlives the scanner.
  explicit JsonScanner(Handler& handler) : handler_(&handler) {}

  // False when what was fed so far starts no JSON text: nothing more is read then.
  bool feed(std::string_view bytes);
  // The text has ended here: false if it is not whole. Tells of a number that only the end ends.
  bool finish();
  bool failed() const { return state_ == State::failed; }
  // What is wrong, to follow "is not JSON: ", after failed() or when finish() has returned false.
  std::string_view fault() const { return fault_; }
  // How many bytes were read; after failed(), where the fault is.
  std::uint64_t offset() const { return offset_; }

 private:
  enum class State : std::uint8_t {
    value,
    value_or_end,  // after `[`
    key_or_end,    // after `{`
    key,           // after a comma in an object
    colon,
    after_value,
    string,
    escape,
    hex,
    minus,
    zero,
    integer,
    point,
    fraction,
    exponent,
    exponent_sign,
    exponent_digits,
    literal,
    failed,
  };

  bool take(char c, std::uint64_t at);
  bool take_structure(char c, std::uint64_t at);
  bool take_after_value(char c, std::uint64_t at);
  bool take_string(char c, std::uint64_t at);
  bool take_number(char c, std::uint64_t at);
  bool start_value(char c, std::uint64_t at);
  bool open(Kind kind, std::uint64_t at);
  bool close(Kind kind, std::uint64_t at);
  void end_value(Kind kind, std::uint64_t end);
  bool is_whole_number() const;
  bool fail(std::string_view fault);

  Handler* handler_;
  std::uint64_t offset_ = 0;
  std::string_view fault_;
  State state_ = State::value;
  bool in_key_ = false;
  std::uint8_t hex_digits_ = 0;
  std::string_view literal_;  // what is left of it
  std::size_t depth_ = 0;
  std::bitset<most_depth> objects_;  // of the open containers, the outermost first
};

// What the inside of a valid JSON string stands for, in UTF-8. Half of a surrogate pair becomes U+FFFD.
std::string json_unescaped(std::string_view inside);

}  // namespace hangup::http
