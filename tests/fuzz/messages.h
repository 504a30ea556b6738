// Reads whole messages, head and body, as a connection's bytes arrive in pieces, and writes down all they
// say.
#pragma once

#include "fuzz/fuzz.h"
#include "unit/http/feeding.h"

#include <optional>
#include <string>
#include <vector>

#include <hangup/http/message.h>

namespace hangup::fuzz {

inline constexpr http::HeadLimits limits{.head_bytes = 2048, .fields = 20, .target_bytes = 512};

// Takes the body out of the front of what has come; false when it ended in an error.
class BodyReading {
 public:
  void start(const http::Framing& framing) { decoder_ = http::BodyDecoder(framing); }
  bool read(std::string_view& bytes, std::string& said) {
    while (!decoder_.done() && !bytes.empty()) {
      const auto step = decoder_.decode(bytes);
      if (!step) {
        said += "body refused\n";
        return false;
      }
      require(step->consumed <= bytes.size(), "no more is consumed than was given");
      require(step->consumed > 0, "something is consumed");
      said += step->payload;
      bytes.remove_prefix(step->consumed);
    }
    if (decoder_.done()) said += "\nend of body\n" + http::describe(decoder_.trailers());
    return true;
  }
  bool done() const { return decoder_.done(); }

 private:
  http::BodyDecoder decoder_;
};

// All that the messages of a connection say. `heads.read(bytes, said, body)` parses one head, and starts its
// body: nullopt for an error, 0 for a head that is not whole yet.
template <typename HeadReader>
std::string read_connection(std::string_view text, HeadReader heads, Chance* cuts) {
  std::string said, waiting;
  BodyReading body;
  bool in_body = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = cuts == nullptr ? text.size() : 1 + cuts->below(text.size() - at);
    waiting += text.substr(at, size);
    at += std::min(size, text.size() - at);
    std::string_view rest = waiting;
    while (!rest.empty()) {
      if (in_body) {
        if (!body.read(rest, said)) return said;
        if (!body.done()) break;
        in_body = false;
        continue;
      }
      const std::optional<std::size_t> taken = heads.read(rest, said, body);
      if (!taken) return said + "head refused\n";
      if (*taken == 0) break;
      require(*taken <= rest.size(), "a head is no longer than what was given");
      rest.remove_prefix(*taken);
      in_body = !body.done();
    }
    waiting = std::string(rest);
  }
  return said;
}

// `make` makes a reader of heads.
template <typename Make>
void check_pieces(std::string_view given, Make make) {
  // With an end behind it: what is refused by a piece may else be refused only when more comes to the whole.
  const std::string text = std::string(given) + "\r\n\r\n";
  const std::string whole = read_connection(text, make(), nullptr);
  Chance chance(text);
  for (int round = 0; round < 3; ++round) {
    require(read_connection(text, make(), &chance) == whole, "pieces read as the whole does");
  }
}

}  // namespace hangup::fuzz
