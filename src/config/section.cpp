#include "config/section.h"

#include <algorithm>
#include <chrono>

#include <hangup/base/units.h>

namespace hangup::config {
namespace {

// Far from where a point in time plus a duration overflows.
constexpr Duration longest = hours(365 * 24);

}  // namespace

Section::Section(Reader& reader, const Node& node, std::string_view name)
    : reader_(reader), node_(node), name_(name), is_mapping_(node.kind == Node::Kind::mapping) {}

bool Section::has(std::string_view key) const {
  return node_.find(key) != nullptr;
}

const Node* Section::optional(std::string_view key) {
  known_.push_back(key);
  const Node::Entry* entry = node_.find(key);
  return entry == nullptr ? nullptr : entry->value.get();
}

const Node* Section::required(std::string_view key, std::string_view expected) {
  const Node* value = optional(key);
  if (value == nullptr && is_mapping_) {
    reader_.problem(node_.position, shown(key) + " is missing, expected " + std::string(expected));
  }
  return value;
}

const Node* Section::required_list(std::string_view key, std::string_view expected) {
  const Node* value = required(key, expected);
  if (value == nullptr || (value->kind == Node::Kind::list && !value->items.empty())) return value;
  reader_.unexpected(*value, key, expected);
  return nullptr;
}

void Section::text(std::string_view key, std::string& out) {
  const Node* value = optional(key);
  if (value == nullptr) return;
  auto text = reader_.text(*value, key);
  if (!text) return;
  if (text->value.empty()) return reader_.unexpected(*value, key, "a text that is not empty");
  out = std::move(text->value);
}

void Section::duration(std::string_view key, Duration& out, Duration least) {
  const Node* value = optional(key);
  if (value == nullptr) return;
  std::optional<Duration> read;
  duration(key, *value, {}, read, least);
  out = read.value_or(out);
}

void Section::duration_or(std::string_view key, std::string_view word, std::optional<Duration>& out,
                          Duration least) {
  if (const Node* value = optional(key)) duration(key, *value, word, out, least);
}

void Section::duration(std::string_view key, const Node& value, std::string_view word,
                       std::optional<Duration>& out, Duration least) {
  const std::string or_word = word.empty() ? std::string() : ", or " + std::string(word);
  const std::string expected = "a duration such as 250ms, 30s, 15m or 1h" + or_word;
  const auto text = reader_.text(value, key, expected);
  if (!text) return;
  if (!word.empty() && text->value == word) return out.reset();
  const auto duration = parse_duration(text->value);
  if (!duration) return reader_.unexpected(value, key, expected);
  if (*duration < least || *duration > longest) {
    return reader_.unexpected(
        value, key,
        "a duration from " + format_duration(least) + " to " + format_duration(longest) + or_word);
  }
  out = *duration;
}

void Section::bytes(std::string_view key, std::uint64_t& out, std::uint64_t least, std::uint64_t most) {
  const Node* value = optional(key);
  if (value == nullptr) return;
  constexpr std::string_view expected = "a size such as 512, 32KiB, 16MiB or 2GiB";
  const auto text = reader_.text(*value, key, expected);
  if (!text) return;
  const auto size = parse_bytes(text->value);
  if (!size) return reader_.unexpected(*value, key, expected);
  if (size->count < least || size->count > most) {
    return reader_.unexpected(
        *value, key, "a size from " + format_bytes(Bytes{least}) + " to " + format_bytes(Bytes{most}));
  }
  out = size->count;
}

void Section::number(std::string_view key, std::uint64_t& out, std::uint64_t least, std::uint64_t most) {
  const Node* value = optional(key);
  if (value == nullptr) return;
  if (const auto number = reader_.number(*value, key, least, most)) out = *number;
}

std::optional<std::size_t> Section::choose(std::string_view key, const std::vector<std::string_view>& names) {
  const Node* value = optional(key);
  if (value == nullptr) return std::nullopt;
  const std::string expected = one_of(names);
  const auto text = reader_.text(*value, key, expected);
  if (!text) return std::nullopt;
  const auto found = std::ranges::find(names, text->value);
  if (found == names.end()) {
    reader_.unexpected(*value, key, expected, names);
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - names.begin());
}

void Section::boolean(std::string_view key, bool& out) {
  choice(key, out, std::array<std::pair<std::string_view, bool>, 2>{{{"true", true}, {"false", false}}});
}

void Section::networks(std::string_view key, Networks& out) {
  constexpr std::string_view expected = "a list of networks, such as 10.0.0.0/8, ::1 or unix";
  each(key, expected, [&](const Node& node) {
    const auto text = reader_.text(node, key, expected);
    if (!text) return;
    const auto network = Network::parse(text->value);
    if (network) return out.add(*network);
    reader_.problem(node.position, shown(key) + ": " + network.error().message);
  });
}

void Section::networks(std::string_view key, std::optional<Networks>& out) {
  Networks read;
  networks(key, read);
  if (has(key)) out = std::move(read);
}

void Section::section(std::string_view key, const std::function<void(Section&)>& read) {
  const Node* value = optional(key);
  if (value == nullptr) return;
  Section inner(reader_, *value, key);
  read(inner);
  inner.finish();
}

void Section::each(std::string_view key, std::string_view expected,
                   const std::function<void(const Node&)>& read) {
  const Node* value = optional(key);
  if (value == nullptr) return;
  if (value->kind == Node::Kind::scalar) return read(*value);
  if (value->kind != Node::Kind::list || value->items.empty())
    return reader_.unexpected(*value, key, expected);
  for (const auto& item : value->items) read(*item);
}

void Section::finish() {
  if (!is_mapping_)
    return reader_.unexpected(node_, name_,
                              known_.empty() ? "a mapping" : "a mapping (keys: " + known_keys() + ")");
  for (const auto& entry : node_.entries) {
    const std::string& key = entry.key->text;
    if (std::ranges::find(known_, key) != known_.end()) continue;
    reader_.problem(entry.key->position, "unknown key " + shown(key) + ", expected one of: " + known_keys() +
                                             did_you_mean(nearest(key, known_)));
  }
}

std::string Section::known_keys() const {
  std::string keys;
  for (auto key = known_.begin(); key != known_.end(); ++key) {
    if (std::find(known_.begin(), key, *key) != key) continue;  // asked for again
    if (!keys.empty()) keys += ", ";
    keys += *key;
  }
  return keys;
}

std::string known_names(std::string_view what, const std::vector<std::string_view>& names) {
  if (names.empty()) return "a name under `" + std::string(what) + "`, where there is none";
  std::string out = "one of " + std::string(what) + ": ";
  std::size_t shown = 0;
  for (const std::string_view name : names) {
    if (shown == 20) return out + ", …";
    if (shown++ != 0) out += ", ";
    out += name;
  }
  return out;
}

}  // namespace hangup::config
