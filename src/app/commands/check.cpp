#include "app/commands/load.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include <hangup/app/commands.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/upstream/upstream.h>

namespace hangup::app::commands {
namespace {

std::string count(std::size_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

}  // namespace

int check(const std::filesystem::path& config_file, std::ostream& out, std::ostream& err) {
  const auto config = load_or_report(config_file, err);
  if (!config) return exit_bad_configuration;
  bool good = true;
  const auto note = [&](const auto& result) {
    if (result) return;
    err << fmt::format("{}: {}\n", config_file.string(), result.error().message);
    good = false;
  };
  for (const auto& upstream : config->upstreams) note(upstream::make_shared_upstream(upstream));
  if (good) note(cleanup::load_credentials(*config));  // which reads files of upstreams too
  if (!good) return exit_bad_configuration;
  out << fmt::format("{}: good: {}, {}, {}, {}, {}\n", config_file.string(),
                     count(config->listeners.size(), "listener"), count(config->upstreams.size(), "upstream"),
                     count(config->routes.size(), "route"), count(config->cleanups.size(), "cleanup"),
                     count(config->workers, "worker"));
  return exit_ok;
}

}  // namespace hangup::app::commands
