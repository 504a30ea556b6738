#include "app/commands/load.h"
#include "app/listener_tls.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hangup/app/commands.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/net/event_loop.h>
#include <hangup/net/resolver.h>

namespace hangup::app::commands {
namespace {

constexpr auto names_patience = std::chrono::seconds(5);

std::string count(std::size_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

// What the files that the configuration names hold.
bool check_files(const config::Config& config, std::ostream& err) {
  bool good = true;
  for (const config::Listener& listener : config.listeners) {
    if (!listener.tls) continue;
    const auto tls = make_listener_tls(listener);
    const auto say = [&](std::string what) {
      err << config::to_string({listener.position, std::move(what)}, config.file) << '\n';
    };
    if (!tls) {
      say(tls.error().message);
      good = false;
      continue;
    }
    for (const std::string& warning : (*tls)->warnings(std::chrono::system_clock::now()))
      say("warning: listener " + listener.name + ": " + warning);
  }
  if (const auto credentials = cleanup::load_credentials(config); !credentials) {
    err << config.file.string() << ": " << credentials.error().message << '\n';
    good = false;
  }
  return good;
}

// What can't be looked up now may be later, and hangup waits for it; but it may be misspelt.
void warn_of_names(const config::Config& config, std::ostream& err) {
  net::EventLoop loop;
  net::Resolver resolver =
      config.resolver ? net::Resolver(loop, config.resolver->to_string()) : net::Resolver(loop);
  std::vector<std::unique_ptr<net::Resolver::Lookup>> lookups;
  std::size_t missing = 0;
  const auto ask = [&](const config::Server& server) {
    ++missing;
    lookups.push_back(resolver.resolve(
        server.name->host, server.name->port, [&, &server = server](const net::Resolver::Addresses& found) {
          if (!found) {
            err << fmt::format(
                "{}: warning: upstream {}: {}: {}; hangup starts nonetheless, and the server is down until "
                "it "
                "can be\n",
                config.file.string(), server.upstream, server.url, found.error().message);
          }
          if (--missing == 0) loop.stop();
        }));
  };
  for (const auto& upstream : config.upstreams) {
    for (const config::Server& server : upstream->servers) {
      if (server.name) ask(server);
    }
  }
  if (missing == 0) return;
  const auto timer = loop.make_timer([&] {
    err << config.file.string() << ": warning: names of servers can't be looked up: no DNS server answers\n";
    loop.stop();
  });
  timer->set(loop.now() + names_patience);
  loop.run();
}

}  // namespace

int check(const std::filesystem::path& config_file, std::ostream& out, std::ostream& err) {
  const auto config = load_or_report(config_file, err);
  if (!config) return exit_bad_configuration;
  for (const config::Problem& warning : config->warnings)
    err << config::to_string({warning.position, "warning: " + warning.message}, config_file) << '\n';
  if (!check_files(*config, err)) return exit_bad_configuration;
  warn_of_names(*config, err);
  out << fmt::format("{}: good: {}, {}, {}, {}, {}\n", config_file.string(),
                     count(config->listeners.size(), "listener"), count(config->upstreams.size(), "upstream"),
                     count(config->routes.size(), "route"), count(config->cleanups.size(), "cleanup"),
                     count(config->workers, "worker"));
  return exit_ok;
}

}  // namespace hangup::app::commands
