#include "config/file.h"
#include "config/secrets.h"
#include "config/sections.h"
#include "config/variables.h"

#include <sched.h>

#include <algorithm>
#include <thread>

namespace hangup::config {
namespace {

using Loaded = std::expected<std::shared_ptr<const Config>, std::vector<Problem>>;

constexpr unsigned most_workers = 256;
constexpr std::size_t most_file_bytes = 4 * 1024 * 1024;
constexpr std::string_view not_a_configuration = "not a configuration";

unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int count = sched_getaffinity(0, sizeof set, &set) == 0
                        ? CPU_COUNT(&set)
                        : static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(static_cast<unsigned>(std::max(count, 1)), 1U, most_workers);
}

void read_workers(Section& root, unsigned& workers) {
  workers = usable_cpus();
  const Node* node = root.optional("workers");
  if (node == nullptr) return;
  const std::string expected = "auto or a whole number from 1 to " + std::to_string(most_workers);
  const auto text = root.reader().text(*node, "workers", expected);
  if (!text || text->value == "auto") return;
  const auto count = parse_bytes(text->value);
  const bool is_plain = std::ranges::all_of(text->value, [](char c) { return c >= '0' && c <= '9'; });
  if (!count || !is_plain || count->count < 1 || count->count > most_workers) {
    return root.reader().unexpected(*node, "workers", expected, {"auto"});
  }
  workers = static_cast<unsigned>(count->count);
}

void read_root(Section& root, Config& config) {
  read_secret_policy(root);
  read_workers(root, config.workers);
  read_listeners(root, config);
  read_auth(root, config);
  read_resolver(root, config.resolver);
  const auto upstreams = read_upstreams(root, config);
  const auto cleanups = read_cleanups(root, config);
  root.section("receivers", [&](Section& section) { section.networks("allow", config.receivers); });
  read_routes(root, upstreams, cleanups, config);
  read_outbox(root, config.outbox);
  read_admin(root, config);
  read_access_log(root, config.access_log);
  read_log(root, config.log);
  root.section("shutdown",
               [&](Section& section) { section.duration("drain", config.drain, Duration::zero()); });
  root.finish();
  warn_of_traces(root.reader(), config.listeners);
  warn_of_absent_names(root.reader(), config);
}

}  // namespace

Loaded load(const std::filesystem::path& file) {
  const auto text = read_file(file, most_file_bytes, not_a_configuration);
  if (!text) return std::unexpected(std::vector{Problem{{}, text.error().message}});
  return parse(*text, file);
}

Loaded parse(const std::string& text, const std::filesystem::path& name) {
  if (text.size() > most_file_bytes) {
    return std::unexpected(std::vector{Problem{
        {},
        "larger than " + format_bytes(Bytes{most_file_bytes}) + ": " + std::string(not_a_configuration)}});
  }
  Document document = read_document(text);
  Reader reader(text);
  for (Problem& problem : document.problems) reader.problem(problem.position, std::move(problem.message));
  auto config = std::make_shared<Config>();
  config->file = name;
  if (document.root != nullptr && document.root->kind != Node::Kind::nothing) {
    Section root(reader, *document.root, "configuration");
    if (root.is_mapping()) {
      read_root(root, *config);
    } else {
      reader.unexpected(*document.root, "configuration", "a mapping with listeners, upstreams and routes");
    }
  } else if (document.problems.empty()) {
    reader.problem({1, 1}, "the configuration is empty: expected listeners, upstreams and routes");
  }
  auto problems = reader.take_problems();
  if (!problems.empty()) return std::unexpected(std::move(problems));
  config->warnings = reader.take_warnings();
  return config;
}

std::string to_string(const Problem& problem, const std::filesystem::path& file) {
  std::string out = file.string();
  if (problem.position.line > 0) {
    out += ":" + std::to_string(problem.position.line) + ":" + std::to_string(problem.position.column);
  }
  return out + ": " + problem.message;
}

}  // namespace hangup::config
