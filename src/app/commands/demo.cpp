// hangup demo: everything in one process, on loopback.
#include "app/commands/signals.h"
#include "app/demo/backend.h"
#include "app/demo/log_reader.h"
#include "app/demo/receiver.h"
#include "app/demo/script.h"
#include "app/demo/timeline.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <ostream>
#include <string>

#include <hangup/app/commands.h>
#include <hangup/app/server.h>
#include <hangup/net/socket.h>

namespace hangup::app::commands {
namespace {

using namespace hangup::app::demo;

constexpr std::uint16_t preferred_port = 8080;

bool is_free(std::uint16_t port) {
  return net::listen_on(*SocketAddress::parse(fmt::format("127.0.0.1:{}", port)), {}).has_value();
}

std::string configuration(const Backend& backend, const Receiver& receiver, const std::string& access_log) {
  return fmt::format(R"(workers: 1
listeners:
  - address: 127.0.0.1:{}
    limits: {{connections: 100}}
upstreams:
  demo: {{servers: ["http://{}"]}}
routes:
  - name: demo
    match: {{path: "/*"}}
    upstream: demo
    on_disconnect: {{upstream: abort, cleanup: stop-work}}
cleanups:
  stop-work: {{url: "http://{}{}{{request.id}}"}}
outbox: {{store: memory}}
access_log: {{path: {}}}
log: {{path: stderr, level: warn}}
shutdown: {{drain: 1s}}
)",
                     is_free(preferred_port) ? preferred_port : 0, backend.address().to_string(),
                     receiver.address().to_string(), Receiver::path, access_log);
}

// An event as it comes in while people try things, without ids but the webhook's.
std::string live_line(const Event& event) {
  const auto now = std::chrono::system_clock::now();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  const auto say = [&](std::string_view who, const std::string& what) {
    return fmt::format("{:%H:%M:%S}.{:03}  {:<10}  {}\n",
                       fmt::localtime(std::chrono::system_clock::to_time_t(now)), ms, who, what);
  };
  switch (event.kind) {
    case Event::Kind::request_began:
      return say("backend", "starts to work on " + event.path);
    case Event::Kind::request_done:
      return say("backend", "is done with " + event.path);
    case Event::Kind::close_seen:
      return say("backend", "sees the close and stops its work on " + event.path);
    case Event::Kind::cleanup_received:
      return say("webhook", fmt::format("receives cleanup {}: outcome {}, phase {}", event.id, event.outcome,
                                        event.phase));
    case Event::Kind::exchange_logged:
    case Event::Kind::attempt_logged:
      return say("access log", event.line);
  }
  return {};
}

void print_invitation(const SocketAddress& proxy, std::ostream& out) {
  out << fmt::format(
             "\nTry it, and leave with Ctrl-C:\n"
             "  curl -N http://{0}/slow      answers after a minute\n"
             "  curl -N http://{0}/stream    a line each 100 ms\n"
             "  curl http://{0}/quick        answers at once\n"
             "What happens is shown here. Ctrl-C here ends the demo.\n\n",
             proxy.to_string())
      << std::flush;
}

int report(const Script& script, std::ostream& out) {
  if (script.broken_promises().empty()) {
    out << "\nAll as promised: 2 clients left, 2 requests were aborted, 2 cleanups came; 1 stayed, no "
           "cleanup came.\n";
    return exit_ok;
  }
  out << "\nNot as promised:\n";
  for (const std::string& broken : script.broken_promises()) out << "  " << broken << '\n';
  return exit_broken_promise;
}

// Everything of the demo, in the order in which it has to be taken down again.
struct Stage {
  Timeline timeline;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Receiver> receiver;
  std::unique_ptr<LogReader> log;
  std::unique_ptr<Server> server;

  Result<void> set_up() {
    auto backend_started = Backend::start(timeline);
    if (!backend_started) return std::unexpected(backend_started.error());
    backend = *std::move(backend_started);
    auto receiver_started = Receiver::start(timeline);
    if (!receiver_started) return std::unexpected(receiver_started.error());
    receiver = *std::move(receiver_started);
    auto log_started = LogReader::start(timeline);
    if (!log_started) return std::unexpected(log_started.error());
    log = *std::move(log_started);
    const auto config = config::parse(configuration(*backend, *receiver, log->path()), "demo.yaml");
    if (!config) return std::unexpected(Error{config::to_string(config.error().front(), "demo.yaml")});
    server = std::make_unique<Server>(*config);
    return server->start();
  }
};

}  // namespace

int demo(bool once, std::ostream& out, std::ostream& err) {
  const Signals signals;
  Stage stage;
  if (const auto ready = stage.set_up(); !ready) {
    err << "hangup: " << ready.error().message << '\n';
    return exit_cannot_start;
  }
  const SocketAddress proxy = stage.server->addresses().front();
  out << fmt::format("proxy http://{} -> backend http://{}; cleanups to http://{}{}...\n", proxy.to_string(),
                     stage.backend->address().to_string(), stage.receiver->address().to_string(),
                     Receiver::path);
  const auto hurry = [&] { return signals.end_asked(); };
  Script script(stage.timeline, proxy, out);
  script.play();
  if (once) {
    stage.server->drain(hurry);  // afterwards no cleanup is owed any more
    script.check_cleanups();
    return report(script, out);
  }
  script.check_cleanups();
  report(script, out);
  print_invitation(proxy, out);
  stage.timeline.follow([&](const Event& event) { out << live_line(event) << std::flush; });
  while (signals.wait() != Signals::Request::end) {
    // Nothing of the demonstration is reloaded.
  }
  stage.server->drain(hurry);
  return exit_ok;
}

}  // namespace hangup::app::commands
