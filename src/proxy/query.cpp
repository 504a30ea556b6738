#include "proxy/query.h"

#include <algorithm>
#include <utility>

#include <hangup/base/hex.h>
#include <hangup/base/text.h>

namespace hangup::proxy {
namespace {

void decode(std::string_view text, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit_value(text[i + 1]) >= 0 &&
        hex_digit_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit_value(text[i + 1]) * 16 + hex_digit_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
}

// Calls visit(pair) for each, empty ones too, until it says no.
template <typename Visit>
void each_pair(std::string_view query, Visit visit) {
  if (query.empty()) return;
  while (true) {
    const std::string_view pair = query.substr(0, query.find('&'));
    if (!visit(pair) || pair.size() == query.size()) return;
    query.remove_prefix(pair.size() + 1);
  }
}

constexpr bool may_stand_raw(char c) {
  return c > 0x20 && c < 0x7f && c != '#' && c != '&';
}

bool append_value(std::string& out, const config::Template& value, const config::VariableSource& variables) {
  std::string scratch;
  for (const config::Template::Segment& segment : value.segments()) {
    if (const auto* literal = std::get_if<std::string>(&segment)) {
      out += *literal;
      continue;
    }
    const auto& ref = std::get<config::VariableRef>(segment);
    const auto known = variables.value(ref, scratch);
    if (!known && !ref.fallback) return false;
    const std::string_view text = known ? *known : std::string_view(*ref.fallback);
    if (!ref.raw) {
      append_percent_encoded(out, text);
    } else if (std::ranges::all_of(text, may_stand_raw)) {
      out += text;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name,
                                                std::string& scratch) {
  bool found = false;
  each_pair(query, [&](std::string_view pair) {
    const std::size_t equals = pair.find('=');
    decode(pair.substr(0, equals), scratch);
    if (pair.empty() || scratch != name) return true;
    found = true;
    decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), scratch);
    return false;
  });
  return found ? std::optional<std::string_view>(scratch) : std::nullopt;
}

void append_changed_query(std::string& out, std::string_view query,
                          const std::vector<std::pair<std::string, config::Template>>& set,
                          const config::VariableSource& variables) {
  bool first = true;
  const auto separate = [&] {
    if (!std::exchange(first, false)) out += '&';
  };
  std::string name;
  each_pair(query, [&](std::string_view pair) {
    decode(pair.substr(0, pair.find('=')), name);
    if (std::ranges::any_of(set, [&](const auto& each) { return each.first == name; })) return true;
    separate();
    out += pair;
    return true;
  });
  for (const auto& [parameter, value] : set) {
    const std::size_t before = out.size();
    const bool was_first = first;
    separate();
    append_percent_encoded(out, parameter);
    out += '=';
    if (append_value(out, value, variables)) continue;
    out.resize(before);
    first = was_first;
  }
}

}  // namespace hangup::proxy
