// One mapping of the configuration: typed reads of its keys, and a problem for every key that nobody read.
#pragma once

#include "config/reader.h"

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hangup::config {

// A read leaves `out` as it is when the key is absent (that is its default) or wrong (a problem was
// reported). Call finish() after the last read: every key that was read by then is a known one.
class Section {
 public:
  // `name` is for messages and has to outlive the section. A node that is no mapping is a problem, reported
  // by finish(); the section is then empty.
  Section(Reader& reader, const Node& node, std::string_view name);

  bool is_mapping() const { return is_mapping_; }
  bool has(std::string_view key) const;
  const Node& node() const { return node_; }
  Reader& reader() const { return reader_; }

  // Null when absent.
  const Node* optional(std::string_view key);
  // Absent is a problem that says what was expected.
  const Node* required(std::string_view key, std::string_view expected);
  // The same of a list with at least one item; null also when it is none.
  const Node* required_list(std::string_view key, std::string_view expected);

  void text(std::string_view key, std::string& out);
  // From `least` (1 ms unless given) to a year.
  void duration(std::string_view key, Duration& out, Duration least = milliseconds(1));
  // The same, or `word` for nullopt.
  void duration_or(std::string_view key, std::string_view word, std::optional<Duration>& out, Duration least);
  void bytes(std::string_view key, std::uint64_t& out, std::uint64_t least, std::uint64_t most);
  void number(std::string_view key, std::uint64_t& out, std::uint64_t least, std::uint64_t most);
  // Numbers and sizes into narrower types.
  template <typename Integer>
  void number(std::string_view key, Integer& out, std::uint64_t least, std::uint64_t most);
  // One of a few names. False: a problem was reported.
  template <typename Enum, std::size_t N>
  bool choice(std::string_view key, Enum& out,
              const std::array<std::pair<std::string_view, Enum>, N>& choices);
  // true or false.
  void boolean(std::string_view key, bool& out);
  // One network or a list of them.
  void networks(std::string_view key, Networks& out);
  void networks(std::string_view key, std::optional<Networks>& out);
  // A mapping of its own; `read` may be called at most once.
  void section(std::string_view key, const std::function<void(Section&)>& read);
  // Every item of a list, or the one value that stands for a list of one.
  void each(std::string_view key, std::string_view expected, const std::function<void(const Node&)>& read);

  void finish();

 private:
  void duration(std::string_view key, const Node& value, std::string_view word, std::optional<Duration>& out,
                Duration least);
  std::optional<std::size_t> choose(std::string_view key, const std::vector<std::string_view>& names);
  std::string known_keys() const;

  Reader& reader_;
  const Node& node_;
  const std::string_view name_;
  bool is_mapping_ = false;
  std::vector<std::string_view> known_;
};

// "one of upstreams: a, b" and the like, for names that refer to something.
std::string known_names(std::string_view what, const std::vector<std::string_view>& names);

template <typename Integer>
void Section::number(std::string_view key, Integer& out, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = out;
  number(key, value, least, most);
  out = static_cast<Integer>(value);
}

template <typename Enum, std::size_t N>
bool Section::choice(std::string_view key, Enum& out,
                     const std::array<std::pair<std::string_view, Enum>, N>& choices) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : choices) names.push_back(name);
  const auto index = choose(key, names);
  if (index) out = choices[*index].second;
  return index.has_value() || !has(key);
}

}  // namespace hangup::config
