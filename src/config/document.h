// A YAML text as a tree that keeps what a checker of configurations needs and yaml-cpp's own nodes lose:
// every duplicate key, and a position for everything.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/config/config.h>

namespace hangup::config {

struct Node {
  enum class Kind : std::uint8_t { nothing, scalar, list, mapping };
  struct Entry {
    std::shared_ptr<const Node> key;  // a scalar
    std::shared_ptr<const Node> value;
  };

  Kind kind = Kind::nothing;
  Position position;
  std::string text;                                // of a scalar, as written: ${ENV} not yet replaced
  std::vector<std::shared_ptr<const Node>> items;  // of a list
  std::vector<Entry> entries;                      // of a mapping; keys are unique, merge keys (<<) resolved

  const Entry* find(std::string_view key) const;
};

// The text of one document. What could be read is there even if there were problems; null if nothing could.
// Nesting is bounded (aliases share their nodes, so they can't be used to blow the tree up).
struct Document {
  std::shared_ptr<const Node> root;
  std::vector<Problem> problems;
};
Document read_document(const std::string& text);

}  // namespace hangup::config
