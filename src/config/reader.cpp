#include "config/reader.h"

#include "config/environment.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

namespace hangup::config {
namespace {

constexpr std::size_t max_problems = 1000;

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    lines.push_back(line);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return lines;
}

auto order(const Problem& problem) {
  return std::tie(problem.position.line, problem.position.column, problem.message);
}

std::vector<Problem> in_order(std::vector<Problem> said, std::string_view what) {
  std::ranges::sort(said, {}, order);
  // What an alias stands for is checked at each use.
  const auto repeats = std::ranges::unique(said, {}, order);
  said.erase(repeats.begin(), repeats.end());
  if (said.size() > max_problems) {
    const std::size_t rest = said.size() - max_problems;
    said.resize(max_problems + 1);
    said.back().message = "here and below are " + std::to_string(rest) + " more " + std::string(what);
  }
  return said;
}

}  // namespace

std::string describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::nothing:
      return "nothing";
    case Node::Kind::scalar:
      return shown(node.text);
    case Node::Kind::list:
      return node.items.empty() ? "an empty list" : "a list";
    case Node::Kind::mapping:
      return node.entries.empty() ? "an empty mapping" : "a mapping";
  }
  return {};
}

Reader::Reader(std::string_view text) : lines_(split_lines(text)) {}

void Reader::problem(Position position, std::string message) {
  problems_.push_back({position, std::move(message)});
}

void Reader::warning(Position position, std::string message) {
  warnings_.push_back({position, std::move(message)});
}

void Reader::unexpected(const Node& node, std::string_view key, std::string_view expected,
                        const std::vector<std::string_view>& names) {
  const std::string_view near =
      node.kind == Node::Kind::scalar ? nearest(node.text, names) : std::string_view();
  problem(node.position, shown(key) + ": found " + describe(node) + ", expected " + std::string(expected) +
                             did_you_mean(near));
}

std::optional<Text> Reader::text(const Node& node, std::string_view key, std::string_view expected) {
  if (node.kind != Node::Kind::scalar) {
    unexpected(node, key, expected);
    return std::nullopt;
  }
  Expansion expansion = expand_environment(node.text, false);
  for (const auto& error : expansion.errors) problem(within(node, error.offset), error.message);
  if (!expansion.errors.empty()) return std::nullopt;
  return Text{std::move(expansion.text), &node};
}

std::optional<TemplateText> Reader::template_text(const Node& node, std::string_view key, bool is_secret) {
  if (node.kind != Node::Kind::scalar) {
    unexpected(node, key, "a text");
    return std::nullopt;
  }
  const Expansion expansion = expand_environment(node.text, true);
  for (const auto& error : expansion.errors) {
    problem(within(node, error.offset), is_secret && error.quotes_text
                                            ? "`${` that starts no ${NAME}; write $$ for a plain $"
                                            : error.message);
  }
  if (!expansion.errors.empty()) return std::nullopt;
  auto compiled = Template::parse(expansion.text);
  if (!compiled) {
    problem(within(node, expansion.raw_offset(compiled.error().offset)),
            is_secret ? "a { before a letter that starts no variable that there is; a plain one is written {{"
                      : std::move(compiled.error().message));
    return std::nullopt;
  }
  if (expansion.as_written != expansion.text) {
    // The environment may also have given a part of a variable's name.
    auto written = Template::parse(expansion.as_written);
    compiled->set_as_written(written ? std::move(*written) : Template::secret("(not shown)", {}));
  }
  TemplateText text{std::move(*compiled), &node};
  for_each_variable(text, [&](const VariableRef& ref, Position position) { used({ref, position}); });
  return text;
}

std::optional<std::uint64_t> Reader::number(const Node& node, std::string_view key, std::uint64_t least,
                                            std::uint64_t most) {
  const std::string expected = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  const auto read = text(node, key, expected);
  if (!read) return std::nullopt;
  std::uint64_t number = 0;
  const char* last = read->value.data() + read->value.size();
  const auto [end, code] = std::from_chars(read->value.data(), last, number);
  if (code != std::errc{} || end != last || number < least || number > most) {
    unexpected(node, key, expected);
    return std::nullopt;
  }
  return number;
}

Position Reader::within(const Node& node, std::size_t offset) const {
  const Position start = node.position;
  const auto line = static_cast<std::size_t>(start.line) - 1;
  const auto column = static_cast<std::size_t>(start.column) - 1;
  if (line >= lines_.size() || column >= lines_[line].size()) return start;
  std::string_view written = lines_[line].substr(column);
  const std::size_t quote = written.front() == '"' || written.front() == '\'' ? 1 : 0;
  written.remove_prefix(quote);
  const std::string_view before = std::string_view(node.text).substr(0, offset + 1);
  if (!written.starts_with(before)) return start;
  return {start.line, start.column + static_cast<int>(quote + offset)};
}

std::vector<Problem> Reader::take_problems() {
  return in_order(std::exchange(problems_, {}), "problems");
}

std::vector<Problem> Reader::take_warnings() {
  return in_order(std::exchange(warnings_, {}), "warnings");
}

}  // namespace hangup::config
