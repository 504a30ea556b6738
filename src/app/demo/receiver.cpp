#include "app/demo/receiver.h"

#include "app/demo/json.h"

namespace hangup::app::demo {

Result<std::unique_ptr<Receiver>> Receiver::start(Timeline& timeline) {
  std::unique_ptr<Receiver> receiver(new Receiver(timeline));
  auto server = ThreadServer::start([raw = receiver.get()](Peer& peer) { raw->serve(peer); });
  if (!server) return std::unexpected(server.error());
  receiver->server_ = *std::move(server);
  return receiver;
}

void Receiver::serve(Peer& peer) {
  while (const auto request = peer.read_request()) {
    const std::string_view target = request->head.path;
    if (!target.starts_with(path)) {
      if (!peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) return;
      continue;
    }
    const auto document = nlohmann::json::parse(request->body, nullptr, /*allow_exceptions=*/false);
    Event event;
    event.kind = Event::Kind::cleanup_received;
    event.request_id = target.substr(path.size());
    event.id = request->head.fields.find("webhook-id").value_or("");
    event.outcome = text_at(document, "/data/outcome");
    event.phase = text_at(document, "/data/phase");
    timeline_.record(std::move(event));
    if (!peer.send("HTTP/1.1 204 No Content\r\n\r\n")) return;
  }
}

}  // namespace hangup::app::demo
