// Tables of raw HTTP/1 messages and what must come of them, in text files that a person reads and extends.
//
//     [the name of a case]
//     keyword BYTES
//
// Lines of one keyword follow each other as one text. In BYTES, \r \n \t \0 \\ and \xHH are what they are in
// C, and \{COUNT TEXT} is TEXT, COUNT times. A `#` in front starts a comment. The tests say which keywords
// there are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hangup::test {

struct WireCase {
  struct Line {
    std::string keyword;
    std::string bytes;
  };
  std::string name;
  int line = 0;  // in its file
  std::vector<Line> lines;

  // All the bytes of a keyword.
  std::string all(std::string_view keyword) const;
  bool has(std::string_view keyword) const;
  std::string where() const { return "line " + std::to_string(line) + " [" + name + "]"; }
};

// A request that stands behind another in the same write, and is answered only if the end of that one was
// found.
inline constexpr std::string_view marker =
    "GET /marker HTTP/1.1\r\nHost: marker\r\nConnection: close\r\n\r\n";

// Reads a file of tests/e2e/data; throws where it is not such a table.
std::vector<WireCase> read_wire_table(const std::string& file);

// Puts {id} for each request id and {date} for each date of HTTP, the only bytes that vary.
std::string without_what_varies(const std::string& bytes);

// The fields that hangup adds to a request for that host: "Via: …" to "X-Request-Id: {id}", each with its
// line end.
std::string forwarding_fields(std::string_view host, std::string_view version = "1.1");
// Expands {via HOST} and, for a client that speaks HTTP/1.0, {via10 HOST} into these.
std::string expand_via(std::string text);

// Bytes as the tables write them.
std::string escaped(std::string_view bytes);

}  // namespace hangup::test
