#include "app/commands/load.h"
#include "app/listener_tls.h"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <string_view>

#include <hangup/app/commands.h>
#include <hangup/cleanup/cleanup.h>

namespace hangup::app::commands {
namespace {

std::string count(std::size_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

// What the files that the configuration names hold.
bool check_files(const config::Config& config, std::ostream& err) {
  bool good = true;
  const auto say = [&](const std::string& message) {
    err << config.file.string() << ": " << message << '\n';
    good = false;
  };
  for (const config::Listener& listener : config.listeners) {
    if (!listener.tls) continue;
    const auto tls = make_listener_tls(listener);
    if (!tls) {
      say(tls.error().message);
      continue;
    }
    for (const std::string& warning : (*tls)->warnings(std::chrono::system_clock::now())) {
      err << config.file.string() << ": warning: listener " << listener.name << ": " << warning << '\n';
    }
  }
  if (const auto credentials = cleanup::load_credentials(config); !credentials) {
    say(credentials.error().message);
  }
  return good;
}

}  // namespace

int check(const std::filesystem::path& config_file, std::ostream& out, std::ostream& err) {
  const auto config = load_or_report(config_file, err);
  if (!config) return exit_bad_configuration;
  if (!check_files(*config, err)) return exit_bad_configuration;
  out << fmt::format("{}: good: {}, {}, {}, {}, {}\n", config_file.string(),
                     count(config->listeners.size(), "listener"), count(config->upstreams.size(), "upstream"),
                     count(config->routes.size(), "route"), count(config->cleanups.size(), "cleanup"),
                     count(config->workers, "worker"));
  return exit_ok;
}

}  // namespace hangup::app::commands
