#include "config/sections.h"

#include <array>

namespace hangup::config {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> levels = {
    {{"trace", "trace"}, {"debug", "debug"}, {"info", "info"}, {"warn", "warn"}, {"error", "error"}}};

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
  section.text("path", access_log.path);
  std::string_view format;
  section.choice("format", format,
                 std::array<std::pair<std::string_view, std::string_view>, 1>{{{"json", "json"}}});
  section.finish();
}

void read_log(Section& root, Log& log) {
  root.section("log", [&](Section& section) {
    section.text("path", log.path);
    std::string_view level = log.level;
    section.choice("level", level, levels);
    log.level = level;
    std::string_view format;
    section.choice("format", format,
                   std::array<std::pair<std::string_view, std::string_view>, 1>{{{"text", "text"}}});
  });
}

}  // namespace hangup::config
