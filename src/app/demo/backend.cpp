#include "app/demo/backend.h"

#include <fmt/format.h>

#include <string>

namespace hangup::app::demo {
namespace {

using namespace std::chrono_literals;
constexpr Duration work_time = 60s;
constexpr Duration line_interval = 100ms;

}  // namespace

Result<std::unique_ptr<Backend>> Backend::start(Timeline& timeline) {
  std::unique_ptr<Backend> backend(new Backend(timeline));
  auto server = ThreadServer::start([raw = backend.get()](Peer& peer) { raw->serve(peer); });
  if (!server) return std::unexpected(server.error());
  backend->server_ = *std::move(server);
  return backend;
}

void Backend::record(const Event& about, Event::Kind kind) {
  Event event = about;
  event.kind = kind;
  event.when = std::chrono::steady_clock::now();
  timeline_.record(std::move(event));
}

void Backend::serve(Peer& peer) {
  while (const auto request = peer.read_request()) {
    Event about;
    about.path = request->head.path;
    about.request_id = request->head.fields.find("X-Request-Id").value_or("");
    record(about, Event::Kind::request_began);
    const bool again = about.path == "/slow"     ? work(peer, about)
                       : about.path == "/stream" ? stream(peer, about)
                                                 : answer(peer, about, "quick work, done\n");
    if (!again || !request->head.keep_alive) return;
  }
}

bool Backend::work(Peer& peer, const Event& about) {
  switch (peer.wait_for_close(work_time)) {
    case Peer::Wait::closed:
      record(about, Event::Kind::close_seen);
      return false;
    case Peer::Wait::stopped:
      return false;
    default:
      return answer(peer, about, "a minute's work, done\n");
  }
}

bool Backend::stream(Peer& peer, const Event& about) {
  if (!peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"))
    return false;
  for (int line = 1; line <= work_time / line_interval; ++line) {
    const std::string text = fmt::format("line {}\n", line);
    const bool sent = peer.send(fmt::format("{:x}\r\n{}\r\n", text.size(), text));
    const Peer::Wait waited = sent ? peer.wait_for_close(line_interval) : Peer::Wait::closed;
    if (waited == Peer::Wait::stopped) return false;
    if (waited == Peer::Wait::closed) {
      record(about, Event::Kind::close_seen);
      return false;
    }
  }
  if (!peer.send("0\r\n\r\n")) return false;
  record(about, Event::Kind::request_done);
  return true;
}

bool Backend::answer(Peer& peer, const Event& about, std::string_view body) {
  if (!peer.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{}",
                             body.size(), body))) {
    return false;
  }
  record(about, Event::Kind::request_done);
  return true;
}

}  // namespace hangup::app::demo
