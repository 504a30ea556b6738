#include "app/commands/load.h"
#include "app/commands/signals.h"

#include <hangup/app/commands.h>
#include <hangup/app/server.h>

namespace hangup::app::commands {

int run(const std::filesystem::path& config_file, std::ostream& err) {
  const auto config = load_or_report(config_file, err);
  if (!config) return exit_bad_configuration;
  const Signals signals;
  Server server(config);
  if (const auto started = server.start(); !started) {
    err << "hangup: " << started.error().message << '\n';
    return exit_cannot_start;
  }
  while (signals.wait() == Signals::Request::reload) server.reload();
  server.drain([&] { return signals.end_asked(); });
  return exit_ok;
}

}  // namespace hangup::app::commands
