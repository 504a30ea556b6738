// Fields of JSON bodies that a route's cleanups name, {request.json.PATH} and {response.json.PATH}, caught as
// the body streams by: no byte waits for it, and only the values that are wanted are kept.
//
// A path is keys with dots between them; a part in digits is also an index into an array. A string is given
// unescaped, anything else as it is written. Of several values at one path the last one that came whole is
// taken, as most JSON libraries do; it can be had as soon as it is whole, whatever becomes of the rest.
#pragma once

#include "proxy/first_event.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/config/config.h>
#include <hangup/http/fields.h>
#include <hangup/http/json_scanner.h>

namespace hangup::proxy {

// Which fields a route wants of one body. Made once for a route. Any thread.
class CapturePlan {
 public:
  struct Path {
    std::string name;  // as a template has it
    struct Part {
      std::string key;
      std::optional<std::uint64_t> index;
    };
    std::vector<Part> parts;
  };

  // The paths of this variable, request_json or response_json, in the templates of the route's cleanups.
  CapturePlan(const config::Route& route, config::Variable variable);
  bool empty() const { return paths_.empty(); }
  const std::vector<Path>& paths() const { return paths_; }
  std::size_t longest_key() const { return longest_key_; }

 private:
  void add(const config::Template& text, config::Variable variable);

  std::vector<Path> paths_;
  std::size_t longest_key_ = 0;
};

// Where in a body JSON is looked for.
enum class JsonIn : std::uint8_t {
  nothing,
  body,
  first_line,   // application/x-ndjson
  first_event,  // text/event-stream: the data of the first one
};

// By the media type of a message and its content coding: what is compressed is not looked into.
JsonIn json_in(const http::Fields& fields);

// What is caught of one body.
class JsonCapture final : private http::JsonScanner::Handler {
 public:
  // Of the body, its content codings included, this much is looked at.
  static constexpr std::size_t most_body = std::size_t{64} * 1024;
  // A longer value is none; so is a string that is longer as it is written.
  static constexpr std::size_t most_value = std::size_t{4} * 1024;

  // `plan` outlives it.
  JsonCapture(const CapturePlan& plan, JsonIn where);
  JsonCapture(const JsonCapture&) = delete;
  JsonCapture& operator=(const JsonCapture&) = delete;

  // The next piece of the body. True when a value that was not known before has become whole in it.
  bool feed(std::string_view data);
  // Nothing that comes now can matter.
  bool done() const { return done_; }
  // The value at a path of the plan, if it has come. Good until the next feed().
  std::optional<std::string_view> value(std::string_view path) const;

 private:
  struct Wanted {
    std::size_t on_path = 0;  // how many of the path's parts lead to the innermost open container on it
    bool next_is_it = false;  // the value that comes now goes on along the path
    bool open = false;        // its value is being read
    bool too_long = false;    // and is longer than what is kept
    std::uint64_t from = 0;   // what of it is not in `text` yet
    std::string text;         // of the value that is being read, as it is written
    std::optional<std::string> value;
  };

  void on_start(http::JsonScanner::Kind kind, std::uint64_t offset) override;
  void on_end(http::JsonScanner::Kind kind, std::uint64_t offset) override;
  void scan(std::string_view text);
  void start_value(http::JsonScanner::Kind kind, std::uint64_t offset);
  void end_value(http::JsonScanner::Kind kind, std::uint64_t offset);
  void end_key(std::uint64_t end);
  std::size_t most_key() const;
  void keep(std::string& text, bool& too_long, std::uint64_t& from, std::uint64_t to, std::size_t most) const;

  const CapturePlan& plan_;
  JsonIn where_;
  bool done_ = false;
  bool news_ = false;
  std::size_t seen_ = 0;  // of the body
  FirstEvent event_;

  http::JsonScanner scanner_{*this};
  std::string_view piece_;         // that is being scanned
  std::uint64_t piece_start_ = 0;  // its offset
  std::size_t depth_ = 0;          // containers open
  // For each open container, an array's next index; no_array for an object.
  static constexpr std::uint32_t no_array = UINT32_MAX;
  std::array<std::uint32_t, http::JsonScanner::most_depth> indexes_{};
  std::vector<Wanted> wanted_;  // one for each path of the plan
  // The key that is being read, as it is written.
  std::string key_;
  std::uint64_t key_from_ = 0;
  bool in_key_ = false;
  bool key_too_long_ = false;
};

}  // namespace hangup::proxy
