#include "config/environment.h"

#include "config/quote.h"

#include <algorithm>
#include <cstdlib>

namespace hangup::config {
namespace {

constexpr bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_name(std::string_view text) {
  return !text.empty() && !(text.front() >= '0' && text.front() <= '9') &&
         std::ranges::all_of(text, is_name_char);
}

void append_value(std::string& out, std::string_view value, bool for_template) {
  for (const char c : value) {
    if (for_template && c == '{') out += c;
    out += c;
  }
}

// `reference` is what stands between ${ and }.
void append_reference(Expansion& out, std::size_t offset, std::string_view reference, bool for_template) {
  const std::size_t separator = reference.find(":-");
  const std::string name(reference.substr(0, separator));
  if (!is_name(name)) {
    out.errors.push_back({offset,
                          shown(name) + " is no name of an environment variable: expected ${NAME} or "
                                        "${NAME:-default}; write $$ for a plain $",
                          true});
    return;
  }
  out.as_written += '$';
  append_value(out.as_written, '{' + std::string(reference) + '}', for_template);
  const char* value = std::getenv(name.c_str());
  if (separator != std::string_view::npos) {
    // As in a shell, ":-" also replaces an empty value.
    const bool is_set = value != nullptr && *value != '\0';
    append_value(out.text, is_set ? std::string_view(value) : reference.substr(separator + 2), for_template);
  } else if (value != nullptr) {
    append_value(out.text, value, for_template);
  } else {
    out.errors.push_back({offset, "the environment variable " + shown(name) + " is not set, and ${" + name +
                                      "} has no default; write ${" + name + ":-default} to give one"});
  }
}

}  // namespace

std::size_t Expansion::raw_offset(std::size_t offset) const {
  std::pair<std::size_t, std::size_t> last{0, 0};
  for (const auto& mark : marks) {
    if (mark.first > offset) break;
    last = mark;
  }
  return last.second + (offset - last.first);
}

Expansion expand_environment(std::string_view raw, bool for_template) {
  Expansion out;
  std::size_t at = 0;
  while (at < raw.size()) {
    const std::size_t dollar = std::min(raw.find('$', at), raw.size());
    out.text += raw.substr(at, dollar - at);
    out.as_written += raw.substr(at, dollar - at);
    at = dollar;
    const std::string_view rest = raw.substr(at);
    if (rest.starts_with("$$")) {
      out.text += '$';
      out.as_written += '$';
      at += 2;
    } else if (rest.starts_with("${")) {
      const std::size_t end = rest.find('}');
      if (end == std::string_view::npos) {
        out.errors.push_back({at, "`${` without its `}`; write $$ for a plain $"});
        return out;
      }
      append_reference(out, at, rest.substr(2, end - 2), for_template);
      at += end + 1;
    } else if (!rest.empty()) {
      out.text += '$';
      out.as_written += '$';
      ++at;
    }
    out.marks.emplace_back(out.text.size(), at);
  }
  return out;
}

}  // namespace hangup::config
