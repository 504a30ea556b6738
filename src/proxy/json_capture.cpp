#include "proxy/json_capture.h"

#include "proxy/media_type.h"

#include <algorithm>
#include <charconv>

#include <hangup/base/text.h>

namespace hangup::proxy {
namespace {

using Kind = http::JsonScanner::Kind;

bool is_container(Kind kind) {
  return kind == Kind::object || kind == Kind::array;
}

// As indexes are written: no sign, no leading zero.
std::optional<std::uint64_t> index_of(std::string_view part) {
  std::uint64_t index = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  if (error != std::errc{} || end != part.data() + part.size()) return std::nullopt;
  if (part.size() > 1 && part.starts_with('0')) return std::nullopt;
  return index;
}

}  // namespace

CapturePlan::CapturePlan(const config::Route& route, config::Variable variable) {
  for (const auto& cleanup : route.on_disconnect.cleanups) {
    add(cleanup->url, variable);
    for (const auto& [name, value] : cleanup->headers) add(value, variable);
    add(cleanup->body, variable);
  }
}

void CapturePlan::add(const config::Template& text, config::Variable variable) {
  for (const config::Template::Segment& segment : text.segments()) {
    const auto* ref = std::get_if<config::VariableRef>(&segment);
    if (ref == nullptr || ref->variable != variable) continue;
    if (std::ranges::any_of(paths_, [&](const Path& path) { return path.name == ref->name; })) continue;
    Path& path = paths_.emplace_back(Path{.name = ref->name, .parts = {}});
    std::string_view rest = ref->name;
    while (true) {
      const std::string_view key = rest.substr(0, rest.find('.'));
      path.parts.push_back({std::string(key), index_of(key)});
      longest_key_ = std::max(longest_key_, key.size());
      if (key.size() == rest.size()) break;
      rest.remove_prefix(key.size() + 1);
    }
  }
}

JsonIn json_in(const http::Fields& fields) {
  if (is_encoded(fields)) return JsonIn::nothing;
  const std::string_view type = media_type(fields);
  if (equals_ignoring_case(type, "application/json")) return JsonIn::body;
  constexpr std::string_view suffix = "+json";
  if (type.size() > suffix.size() && equals_ignoring_case(type.substr(type.size() - suffix.size()), suffix))
    return JsonIn::body;
  if (equals_ignoring_case(type, "text/event-stream")) return JsonIn::first_event;
  if (equals_ignoring_case(type, "application/x-ndjson")) return JsonIn::first_line;
  return JsonIn::nothing;
}

JsonCapture::JsonCapture(const CapturePlan& plan, JsonIn where)
    : plan_(plan), where_(where), done_(where == JsonIn::nothing), wanted_(plan.paths().size()) {}

bool JsonCapture::feed(std::string_view data) {
  news_ = false;
  if (done_) return false;
  data = data.substr(0, most_body - seen_);
  seen_ += data.size();
  if (where_ == JsonIn::first_event) {
    while (!done_ && !event_.ended()) {
      std::string_view found;
      const std::size_t taken = event_.take(data, found);
      if (taken == 0) break;
      data.remove_prefix(taken);
      scan(found);
    }
    done_ = done_ || event_.ended();
  } else {
    const std::size_t line = where_ == JsonIn::first_line ? data.find('\n') : std::string_view::npos;
    scan(data.substr(0, line));
    done_ = done_ || line != std::string_view::npos;
  }
  done_ = done_ || seen_ == most_body;
  return news_;
}

std::optional<std::string_view> JsonCapture::value(std::string_view path) const {
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    if (plan_.paths()[i].name == path) return wanted_[i].value;
  }
  return std::nullopt;
}

void JsonCapture::scan(std::string_view text) {
  if (text.empty()) return;
  piece_ = text;
  if (!scanner_.feed(text)) done_ = true;
  const std::uint64_t end = scanner_.offset();
  for (Wanted& wanted : wanted_) {
    if (wanted.open) keep(wanted.text, wanted.too_long, wanted.from, end, most_value);
  }
  if (in_key_) keep(key_, key_too_long_, key_from_, end, most_key());
  piece_start_ = end;
}

void JsonCapture::on_start(Kind kind, std::uint64_t offset) {
  if (kind == Kind::key) {
    in_key_ = true;
    key_too_long_ = false;
    key_from_ = offset;
    key_.clear();
    return;
  }
  start_value(kind, offset);
  if (is_container(kind)) indexes_[depth_++] = kind == Kind::array ? 0 : no_array;
}

void JsonCapture::on_end(Kind kind, std::uint64_t offset) {
  if (kind == Kind::key) return end_key(offset);
  if (is_container(kind)) {
    --depth_;
    for (Wanted& wanted : wanted_) {
      if (depth_ > 0 && wanted.on_path == depth_) --wanted.on_path;
    }
  }
  end_value(kind, offset);
  if (depth_ == 0) done_ = true;
}

void JsonCapture::start_value(Kind kind, std::uint64_t offset) {
  if (depth_ == 0) return;
  std::uint32_t& next = indexes_[depth_ - 1];
  const bool in_array = next != no_array;
  const std::uint32_t index = in_array ? next++ : 0;
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    Wanted& wanted = wanted_[i];
    const auto& parts = plan_.paths()[i].parts;
    if (wanted.on_path != depth_ - 1 || parts.size() < depth_) continue;
    if (!(in_array ? parts[depth_ - 1].index == index : wanted.next_is_it)) continue;
    wanted.next_is_it = false;
    if (parts.size() == depth_) {
      wanted.open = true;
      wanted.too_long = false;
      wanted.from = offset;
      wanted.text.clear();
    } else if (is_container(kind)) {
      wanted.on_path = depth_;
    }
  }
}

void JsonCapture::end_value(Kind kind, std::uint64_t offset) {
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    Wanted& wanted = wanted_[i];
    if (!wanted.open || plan_.paths()[i].parts.size() != depth_) continue;
    wanted.open = false;
    keep(wanted.text, wanted.too_long, wanted.from, offset, most_value);
    news_ = true;
    if (wanted.too_long) {
      wanted.value.reset();
    } else if (kind == Kind::string) {
      wanted.value = http::json_unescaped(std::string_view(wanted.text).substr(1, wanted.text.size() - 2));
    } else {
      wanted.value = wanted.text;
    }
  }
}

void JsonCapture::end_key(std::uint64_t end) {
  in_key_ = false;
  keep(key_, key_too_long_, key_from_, end, most_key());
  if (key_too_long_) key_ = "\"\"";
  const std::string_view inside = std::string_view(key_).substr(1, key_.size() - 2);
  const bool escaped = inside.contains('\\');
  const std::string unescaped = escaped ? http::json_unescaped(inside) : std::string();
  const std::string_view key = escaped ? unescaped : inside;
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    const auto& parts = plan_.paths()[i].parts;
    wanted_[i].next_is_it = !key_too_long_ && wanted_[i].on_path == depth_ - 1 && parts.size() >= depth_ &&
                            parts[depth_ - 1].key == key;
  }
}

std::size_t JsonCapture::most_key() const {
  constexpr std::size_t longest_escape = 6;  // of one byte
  return plan_.longest_key() * longest_escape + 2;
}

// Adds what of the piece is between `from` and `to`.
void JsonCapture::keep(std::string& text, bool& too_long, std::uint64_t& from, std::uint64_t to,
                       std::size_t most) const {
  const std::string_view more = piece_.substr(from - piece_start_, to - from);
  from = to;
  too_long = too_long || text.size() + more.size() > most;
  if (!too_long) text += more;
}

}  // namespace hangup::proxy
