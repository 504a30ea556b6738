#include "app/commands/load.h"
#include "app/commands/signals.h"
#include "app/systemd.h"

#include <memory>
#include <utility>

#include <hangup/app/commands.h>
#include <hangup/app/server.h>

namespace hangup::app::commands {

int run(const std::filesystem::path& config_file, std::ostream& err) {
  const auto config = load_or_report(config_file, err);
  if (!config) return exit_bad_configuration;
  const Signals signals;
  const auto inherited = std::make_shared<const InheritedSockets>(InheritedSockets::take());
  const auto problems = inherited->problems(*config);
  for (const config::Problem& problem : problems) err << config::to_string(problem, config_file) << '\n';
  if (!problems.empty()) return exit_bad_configuration;
  Server server(config, inherited);
  server.on_drain_asked([&signals] { signals.ask_to_drain(); });
  if (const auto started = server.start(); !started) {
    err << "hangup: " << started.error().message << '\n';
    return exit_cannot_start;
  }
  const Watchdog watchdog([&server] { return server.workers_turn(); });
  manager::ready("proxying");
  Signals::Request asked = signals.wait();
  for (; asked == Signals::Request::reload || asked == Signals::Request::reopen_logs;
       asked = signals.wait()) {
    if (asked == Signals::Request::reopen_logs) {
      server.reopen_logs();
      continue;
    }
    manager::reloading();
    const bool reloaded = server.reload();
    manager::ready(reloaded ? "proxying" : "proxying; the last reload failed, see the log");
  }
  manager::stopping();
  // A second signal to end ends it at once. Whoever asked at the admin listener, as an orchestrator's hook
  // does, sends the first one only after that.
  bool signalled = asked == Signals::Request::end;
  server.drain([&] { return signals.end_asked() && std::exchange(signalled, true); });
  return exit_ok;
}

}  // namespace hangup::app::commands
