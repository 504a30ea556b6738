#include "config/sections.h"

#include <array>
#include <cstdlib>

namespace hangup::config {
namespace {

constexpr std::array<std::pair<std::string_view, Outbox::Store>, 2> stores = {
    {{"sqlite", Outbox::Store::sqlite}, {"memory", Outbox::Store::memory}}};

// systemd names the directory that a unit may keep its state in; several with colons between them.
void use_state_directory(std::filesystem::path& path) {
  const char* value = std::getenv("STATE_DIRECTORY");
  const std::string_view directories = value == nullptr ? std::string_view() : std::string_view(value);
  const std::filesystem::path first(directories.substr(0, directories.find(':')));
  if (first.is_absolute()) path = first / path.filename();
}

void read_path(Section& section, std::filesystem::path& path) {
  const Node* node = section.optional("path");
  if (node == nullptr) return use_state_directory(path);
  const std::string_view expected = "an absolute path, the same from wherever `hangup outbox` is called";
  const auto text = section.reader().text(*node, "path", expected);
  if (!text) return;
  std::filesystem::path given(text->value);
  if (!given.is_absolute() || !given.has_filename())
    return section.reader().unexpected(*node, "path", expected);
  path = std::move(given);
}

void read_members(Section& section, Outbox& outbox) {
  section.choice("store", outbox.store, stores);
  read_path(section, outbox.path);
  section.boolean("in_flight_journal", outbox.in_flight_journal);
  section.duration_or("keep_delivered", "forever", outbox.keep_delivered, Duration::zero());
  if (outbox.store == Outbox::Store::sqlite) return;
  if (const auto* path = section.node().find("path"))
    section.reader().warning(path->value->position,
                             "`path`: `store: memory` keeps no file; `store: sqlite` does");
  if (section.has("in_flight_journal") && outbox.in_flight_journal) {
    section.reader().problem(
        section.node().find("in_flight_journal")->value->position,
        "`in_flight_journal`: `store: memory` keeps nothing over a crash, so there is no "
        "journal; expected false, or `store: sqlite`");
  }
  outbox.in_flight_journal = false;
}

}  // namespace

void read_outbox(Section& root, Outbox& outbox) {
  if (!root.has("outbox")) use_state_directory(outbox.path);
  root.section("outbox", [&](Section& section) { read_members(section, outbox); });
}

}  // namespace hangup::config
