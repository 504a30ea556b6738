#include "app/demo/script.h"

#include <fmt/format.h>

#include <utility>

namespace hangup::app::demo {
namespace {

using namespace std::chrono_literals;
using Kind = Event::Kind;

// How long anything promised may take before the promise counts as broken. Far more than it takes, so that a
// machine under load breaks none.
constexpr Duration patience = 10s;

std::string since(MonoTime start, MonoTime when) {
  return fmt::format("{} us", std::chrono::duration_cast<std::chrono::microseconds>(when - start).count());
}

}  // namespace

void Script::play() {
  play_completion();
  play_departure({"A client that leaves while it waits for an answer", "/slow", "awaiting_response", ""});
  play_departure(
      {"A client that leaves in the middle of a stream", "/stream", "streaming_response", "line 3\n"});
}

void Script::check_cleanups() {
  const auto cleanups_for = [&](const std::string& id) {
    return timeline_.count(
        [&](const Event& e) { return e.kind == Kind::cleanup_received && e.request_id == id; });
  };
  for (const std::string& id : departed_ids_) {
    const std::size_t count = cleanups_for(id);
    promise(count == 1,
            fmt::format("{} cleanups were received for {}, which left, instead of one", count, id));
  }
  const std::size_t all = timeline_.count([](const Event& e) { return e.kind == Kind::cleanup_received; });
  promise(cleanups_for(completed_id_) == 0 && all <= departed_ids_.size(),
          "a cleanup was received though its client had stayed to the end");
}

void Script::play_completion() {
  out_ << "\nA client that stays: GET /quick\n";
  auto client = Peer::connect(proxy_, never_);
  if (!client || !request(*client, "/quick")) return promise(false, "the proxy could not be reached");
  const MonoTime start = std::chrono::steady_clock::now();
  std::string response;
  while (client->receive(response, patience)) {
  }
  promise(response.starts_with("HTTP/1.1 200 ") && response.ends_with("done\n"),
          "the client that stayed did not get its response whole");
  print(since(start, std::chrono::steady_clock::now()), "client", "has its whole response");
  const auto logged = timeline_.wait_for(
      [](const Event& e) { return e.kind == Kind::exchange_logged && e.path == "/quick"; }, patience);
  if (!logged) return promise(false, "no access-log line was written for /quick");
  completed_id_ = logged->request_id;
  promise(logged->outcome == "completed",
          fmt::format("/quick was logged with outcome {} instead of completed", logged->outcome));
  print("", "access log", logged->line);
}

void Script::play_departure(const Departure& departure) {
  out_ << fmt::format("\n{}: GET {}\n", departure.title, departure.path);
  auto client = Peer::connect(proxy_, never_);
  if (!client || !request(*client, departure.path)) return promise(false, "the proxy could not be reached");
  const auto began = timeline_.wait_for(
      [&](const Event& e) { return e.kind == Kind::request_began && e.path == departure.path; }, patience);
  if (!began) return promise(false, fmt::format("{} did not reach the backend", departure.path));
  std::string received;
  while (received.find(departure.await) == std::string::npos) {
    if (!client->receive(received, patience)) {
      return promise(false, fmt::format("the stream of {} did not arrive", departure.path));
    }
  }
  departed_ids_.push_back(began->request_id);
  const MonoTime gone = std::chrono::steady_clock::now();
  client->close();
  print_departure(*began, gone, departure);
}

void Script::print_departure(const Event& began, MonoTime gone, const Departure& departure) {
  print("0 us", "client", "closes its connection");
  if (const auto seen = expect(Kind::close_seen, began.request_id, "the backend saw no close")) {
    print(since(gone, seen->when), "backend", "sees the close and stops its work");
  }
  if (const auto cleanup = expect(Kind::cleanup_received, began.request_id, "no cleanup was received")) {
    print(since(gone, cleanup->when), "webhook",
          fmt::format("receives cleanup {}: outcome {}, phase {}", cleanup->id, cleanup->outcome,
                      cleanup->phase));
    promise(!cleanup->id.empty(), "the cleanup has no webhook-id");
    promise(cleanup->outcome == "client_gone" && cleanup->phase == departure.phase,
            fmt::format("the cleanup of {} says {} in {} instead of client_gone in {}", departure.path,
                        cleanup->outcome, cleanup->phase, departure.phase));
  }
  if (const auto logged = expect(Kind::exchange_logged, began.request_id, "no access-log line was written")) {
    print("", "access log", logged->line);
    promise(logged->outcome == "client_gone" && logged->phase == departure.phase,
            fmt::format("{} was logged as {} in {} instead of client_gone in {}", departure.path,
                        logged->outcome, logged->phase, departure.phase));
  }
}

bool Script::request(Peer& client, std::string_view path) {
  return client.send(fmt::format("GET {} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n", path));
}

std::optional<Event> Script::expect(Event::Kind kind, const std::string& request_id, std::string_view what) {
  auto event = timeline_.wait_for(
      [&](const Event& e) { return e.kind == kind && e.request_id == request_id; }, patience);
  promise(event.has_value(), fmt::format("{} within {} s", what, patience / 1s));
  return event;
}

void Script::promise(bool kept, std::string broken) {
  if (kept) return;
  print("", "BROKEN", broken);
  broken_promises_.push_back(std::move(broken));
}

void Script::print(std::string_view when, std::string_view who, std::string_view what) {
  out_ << fmt::format("{:>12}  {:<10}  {}\n", when, who, what) << std::flush;
}

}  // namespace hangup::app::demo
