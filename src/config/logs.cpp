#include "config/sections.h"

#include <array>
#include <charconv>

namespace hangup::config {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> levels = {
    {{"trace", "trace"}, {"debug", "debug"}, {"info", "info"}, {"warn", "warn"}, {"error", "error"}}};

// Of the line's variables, those that not every request has a value of.
void note_trace(Reader& reader, const Node& node, const LogLine& line) {
  for (const auto& segment : line.segments()) {
    const auto* value = std::get_if<LogLine::Value>(&segment);
    if (value == nullptr || value->variable != LogVariable::trace_id) continue;
    const std::size_t at = node.text.find("{trace.id");
    reader.used({{.variable = Variable::trace_id, .name = {}, .fallback = value->fallback},
                 reader.within(node, at == std::string::npos ? 0 : at)});
  }
}

void read_path(Section& section, std::string& path) {
  section.text("path", path);
  const auto near = path.contains('/') ? std::string_view() : nearest(path, {"stdout", "stderr", "syslog"});
  if (near.empty() || near == path) return;
  section.reader().warning(
      section.node().find("path")->value->position,
      "`path`: " + shown(path) + " is a file where hangup is started" + did_you_mean(near));
}

// json, combined, or the line itself.
void read_format(Section& section, std::optional<LogLine>& line) {
  constexpr std::string_view expected = "json, combined or a line with {variables} in it";
  const Node* node = section.optional("format");
  if (node == nullptr) return;
  const auto text = section.reader().text(*node, "format", expected);
  if (!text || text->value == "json") return;
  if (text->value == "combined") {
    line = LogLine::combined();
    return;
  }
  if (!text->value.contains('{'))
    return section.reader().unexpected(*node, "format", expected, {"json", "combined"});
  auto parsed = LogLine::parse(text->value);
  if (parsed) {
    note_trace(section.reader(), *node, *parsed);
    line = *std::move(parsed);
  } else {
    section.reader().problem(section.reader().within(*node, parsed.error().offset),
                             "`format`: " + parsed.error().message);
  }
}

void read_sample(Section& section, double& sample) {
  constexpr std::string_view expected = "a share from 0 to 1, such as 0.1";
  const Node* node = section.optional("sample");
  if (node == nullptr) return;
  const auto text = section.reader().text(*node, "sample", expected);
  if (!text) return;
  const char* end = text->value.data() + text->value.size();
  double share = 0;
  const auto [parsed, error] = std::from_chars(text->value.data(), end, share, std::chars_format::fixed);
  // Not so for what is no number either.
  if (error != std::errc() || parsed != end || !(share >= 0 && share <= 1))
    return section.reader().unexpected(*node, "sample", expected);
  sample = share;
}

}  // namespace

void read_access_log(Section& root, AccessLog& access_log) {
  const Node* node = root.optional("access_log");
  if (node == nullptr) return;
  if (node->kind != Node::Kind::mapping) {
    const auto text = root.reader().text(*node, "access_log", "off or a mapping");
    if (!text) return;
    if (text->value != "off") return root.reader().unexpected(*node, "access_log", "off or a mapping");
    access_log.enabled = false;
    return;
  }
  Section section(root.reader(), *node, "access_log");
  read_path(section, access_log.path);
  read_format(section, access_log.line);
  read_sample(section, access_log.sample);
  section.finish();
}

void read_log(Section& root, Log& log) {
  root.section("log", [&](Section& section) {
    read_path(section, log.path);
    std::string_view level = log.level;
    section.choice("level", level, levels);
    log.level = level;
    std::string_view format;
    section.choice("format", format,
                   std::array<std::pair<std::string_view, std::string_view>, 1>{{{"text", "text"}}});
  });
}

}  // namespace hangup::config
