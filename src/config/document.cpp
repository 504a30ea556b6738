#include "config/document.h"

#include "config/quote.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include <hangup/base/text.h>

namespace hangup::config {
namespace {

constexpr std::size_t max_depth = 32;
constexpr std::size_t max_merged_entries = 100'000;

Position position_of(const YAML::Mark& mark) {
  return mark.is_null() ? Position{1, 1} : Position{mark.line + 1, mark.column + 1};
}

// Ends the reading from inside a callback of the parser.
struct Stop {};

// Builds the tree from the parser's events.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Document& document) : document_(document) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (document_.root) stop(position_of(mark), "a second YAML document starts here: a configuration is one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    place(make(Node::Kind::nothing, mark, anchor));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = make(Node::Kind::scalar, mark, anchor);
    node->text = value;
    place(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto node = anchors_[anchor];
    const auto is_open = [&](const Open& open) { return open.node == node; };
    if (!node || std::ranges::any_of(open_, is_open))
      stop(position_of(mark), "an alias inside of what it stands for");
    // A depth within the bound at each alias could still add up.
    if (open_.size() + depth(*node) > max_depth) too_deep(position_of(mark));
    place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    enter(make(Node::Kind::list, mark, anchor));
  }
  void OnSequenceEnd() override { leave(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    enter(make(Node::Kind::mapping, mark, anchor));
  }
  void OnMapEnd() override {
    merge(open_.back());
    leave();
  }

 private:
  struct Open {
    std::shared_ptr<Node> node;
    std::shared_ptr<Node> key = nullptr;                  // of a mapping: its value comes next
    std::map<std::string, Position, std::less<>> seen{};  // keys of a mapping
    std::shared_ptr<const Node> merged = nullptr;         // the value of <<
  };

  [[noreturn]] void stop(Position position, std::string message) {
    document_.problems.push_back({position, std::move(message)});
    throw Stop{};
  }
  [[noreturn]] void too_deep(Position position) {
    stop(position, "nested more than " + std::to_string(max_depth) + " levels deep");
  }

  std::shared_ptr<Node> make(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->position = position_of(mark);
    if (anchor != 0) anchors_[anchor] = node;
    return node;
  }

  std::size_t depth(const Node& node) {
    const auto known = depths_.find(&node);
    return known == depths_.end() ? 0 : known->second;
  }

  void enter(std::shared_ptr<Node> node) {
    if (open_.size() >= max_depth) too_deep(node->position);
    open_.push_back({.node = std::move(node)});
  }

  void leave() {
    const Open closed = std::move(open_.back());
    open_.pop_back();
    std::size_t deepest = 0;
    for (const auto& item : closed.node->items) deepest = std::max(deepest, depth(*item));
    for (const auto& entry : closed.node->entries) deepest = std::max(deepest, depth(*entry.value));
    depths_[closed.node.get()] = deepest + 1;
    place(closed.node);
  }

  void place(std::shared_ptr<Node> node) {
    if (open_.empty()) {
      document_.root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node->kind == Node::Kind::list) {
      parent.node->items.push_back(std::move(node));
    } else if (!parent.key) {
      parent.key = std::move(node);
    } else {
      add_entry(parent, std::exchange(parent.key, nullptr), std::move(node));
    }
  }

  void add_entry(Open& parent, std::shared_ptr<Node> key, std::shared_ptr<Node> value) {
    if (key->kind != Node::Kind::scalar) {
      document_.problems.push_back({key->position, "a key has to be a plain name"});
      return;
    }
    // A value that is left out has the position of whatever comes next; its key says better where it is
    // missing. An anchored one may be in use elsewhere already, but then with just this meaning.
    if (value->kind == Node::Kind::nothing) value->position = key->position;
    const auto [first, is_new] = parent.seen.emplace(key->text, key->position);
    if (!is_new) {
      document_.problems.push_back({key->position, "duplicate key " + shown(key->text) +
                                                       ", first given in line " +
                                                       std::to_string(first->second.line)});
    } else if (key->text == "<<") {
      parent.merged = std::move(value);
    } else {
      parent.node->entries.push_back({std::move(key), std::move(value)});
    }
  }

  // https://yaml.org/type/merge.html: what is given in the mapping itself wins, then the earlier of several.
  void merge(Open& into) {
    if (!into.merged) return;
    const Node& source = *into.merged;
    const bool is_list = source.kind == Node::Kind::list;
    const auto is_mapping = [](const auto& item) { return item->kind == Node::Kind::mapping; };
    if (is_list ? !std::ranges::all_of(source.items, is_mapping) : source.kind != Node::Kind::mapping) {
      document_.problems.push_back({source.position, "`<<` merges a mapping or a list of mappings"});
      return;
    }
    const auto take = [&](const Node& mapping) {
      for (const Node::Entry& entry : mapping.entries) {
        if (++merged_entries_ > max_merged_entries) stop(into.node->position, "`<<` merges too many keys");
        if (into.seen.emplace(entry.key->text, entry.key->position).second)
          into.node->entries.push_back(entry);
      }
    };
    if (!is_list) return take(source);
    for (const auto& mapping : source.items) take(*mapping);
  }

  Document& document_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::shared_ptr<Node>> anchors_;
  std::map<const Node*, std::size_t> depths_;  // of lists and mappings that are whole
  std::size_t merged_entries_ = 0;
};

// yaml-cpp takes a 0x04 for the end of the input, other control characters and what is no UTF-8 for text.
bool is_text(std::string_view text, std::vector<Problem>& problems) {
  Position position{1, 1};
  while (!text.empty()) {
    const char c = text.front();
    const auto byte = static_cast<unsigned char>(c);
    const std::size_t length = byte < 0x80 ? 1 : utf8_sequence(text);
    if (length == 0) {
      std::string what = "no UTF-8, the byte ";
      append_percent_encoded(what, text.substr(0, 1));
      problems.push_back({position, what + ": expected YAML in UTF-8"});
      return false;
    }
    if ((byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f) {
      problems.push_back({position, "a control character, " + shown(text.substr(0, 1)) +
                                        ": expected YAML in UTF-8; in double quotes it can be escaped"});
      return false;
    }
    if (c == '\n') {
      ++position.line;
      position.column = 1;
    } else {
      position.column += static_cast<int>(length);
    }
    text.remove_prefix(length);
  }
  return true;
}

// Of the line at which the parser has stopped, which does not say so.
bool is_indented_by_tab(const std::string& text, const YAML::Mark& at) {
  std::istringstream lines(text);
  std::string line;
  for (int i = 0; i <= at.line; ++i) std::getline(lines, line);
  const std::size_t tab = line.find_first_not_of(' ');
  return tab != std::string::npos && line[tab] == '\t';
}

}  // namespace

const Node::Entry* Node::find(std::string_view key) const {
  const auto found =
      std::ranges::find_if(entries, [&](const Entry& entry) { return entry.key->text == key; });
  return found == entries.end() ? nullptr : &*found;
}

Document read_document(const std::string& text) {
  Document document;
  if (!is_text(text, document.problems)) return document;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder(document);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop&) {
    document.root = nullptr;
  } catch (const YAML::Exception& error) {
    document.root = nullptr;
    // What some of them end with is text of the file, which may be a secret.
    const bool tab = is_indented_by_tab(text, error.mark);
    document.problems.push_back(
        {position_of(error.mark), tab ? "not YAML: a tab; lines are indented with spaces"
                                      : "not YAML: " + error.msg.substr(0, error.msg.find(": "))});
  }
  return document;
}

}  // namespace hangup::config
