#include "config/balancing.h"

#include "config/variables.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace hangup::config {
namespace {

constexpr std::array<std::pair<std::string_view, Balance>, 3> balance_names = {
    {{"round_robin", Balance::round_robin},
     {"least_requests", Balance::least_requests},
     {"random_two", Balance::random_two}}};
constexpr std::string_view expected_balance =
    "round_robin, least_requests, random_two or hash({...}) such as hash({client.ip})";
constexpr std::string_view hash_start = "hash(";

constexpr std::array<std::string_view, 5> causes = {"connect", "reset_before_head", "502", "503", "504"};
constexpr std::string_view expected_percentage = "a percentage from 0% to 100%";

// The template inside of hash(...), as a scalar of its own, so that problems in it have its place.
void read_hash(Reader& reader, const Node& node, Upstream& upstream) {
  if (!node.text.ends_with(')')) return reader.unexpected(node, "balance", expected_balance);
  Node inner = node;
  inner.text = node.text.substr(hash_start.size(), node.text.size() - hash_start.size() - 1);
  inner.position = reader.within(node, hash_start.size());
  auto text = reader.template_text(inner, "balance");
  if (!text) return;
  check_moment(reader, *text, Moment::before_a_server);
  if (text->compiled.is_literal()) {
    return reader.problem(inner.position,
                          "`balance`: hash() of a text without a variable sends everything to one server; "
                          "expected such as hash({client.ip}) or hash({request.header.x-user})");
  }
  upstream.balance = Balance::hash;
  upstream.hash_key = std::move(text->compiled);
}

void read_budget(Section& section, unsigned& percent) {
  const Node* node = section.optional("budget");
  if (node == nullptr) return;
  Reader& reader = section.reader();
  const auto text = reader.text(*node, "budget", expected_percentage);
  if (!text) return;
  unsigned value = 0;
  const std::string& written = text->value;
  const auto [end, code] = std::from_chars(written.data(), written.data() + written.size(), value);
  const std::string_view rest(end, written.data() + written.size());
  if (code != std::errc{} || rest != "%" || value > 100)
    return reader.unexpected(*node, "budget", expected_percentage);
  percent = value;
}

void read_causes(Section& section, Retries& retries) {
  if (!section.has("on")) return static_cast<void>(section.optional("on"));
  Reader& reader = section.reader();
  Retries read;
  read.connect = read.reset_before_head = false;
  section.each("on", one_of(causes) + " or a list of these", [&](const Node& node) {
    const auto text = reader.text(node, "on", one_of(causes));
    if (!text) return;
    const auto found = std::ranges::find(causes, text->value);
    if (found == causes.end())
      return reader.unexpected(node, "on", one_of(causes), {causes.begin(), causes.end()});
    if (*found == "connect") {
      read.connect = true;
    } else if (*found == "reset_before_head") {
      read.reset_before_head = true;
    } else {
      const int status = 502 + static_cast<int>(found - (causes.begin() + 2));
      if (std::ranges::find(read.statuses, status) == read.statuses.end()) read.statuses.push_back(status);
    }
  });
  retries.connect = read.connect;
  retries.reset_before_head = read.reset_before_head;
  retries.statuses = std::move(read.statuses);
}

}  // namespace

void read_balance(Section& section, Upstream& upstream) {
  const Node* node = section.optional("balance");
  if (node == nullptr) return;
  Reader& reader = section.reader();
  if (node->kind == Node::Kind::scalar && node->text.starts_with(hash_start))
    return read_hash(reader, *node, upstream);
  const auto text = reader.text(*node, "balance", expected_balance);
  if (!text) return;
  const auto found =
      std::ranges::find(balance_names, text->value, [](const auto& each) { return each.first; });
  if (found != balance_names.end()) {
    upstream.balance = found->second;
    return;
  }
  std::vector<std::string_view> names;
  for (const auto& [name, value] : balance_names) names.push_back(name);
  reader.unexpected(*node, "balance", expected_balance, names);
}

void read_retries(Section& section, Retries& retries) {
  section.number("attempts", retries.attempts, 0, 100);
  read_causes(section, retries);
  read_budget(section, retries.budget_percent);
  section.number("min_per_second", retries.min_per_second, 0, 100'000);
}

void check_balance_of_route(Reader& reader, const Node& node, const Upstream& upstream,
                            const PathPattern& path) {
  if (!upstream.hash_key) return;
  for (const std::string& name : missing_captures(*upstream.hash_key, path)) {
    reader.problem(node.position, "upstream " + shown(upstream.name) + " balances by {path." + name +
                                      "}, which this route's path " + shown(path.text) +
                                      " does not capture; capture it, or give it a default: {path." + name +
                                      "|}");
  }
}

}  // namespace hangup::config
