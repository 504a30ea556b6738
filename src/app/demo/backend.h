// The backend of the demo: work that is worth stopping.
#pragma once

#include "app/demo/thread_server.h"
#include "app/demo/timeline.h"

#include <memory>
#include <string_view>

namespace hangup::app::demo {

// /slow works for a minute before it answers; /stream sends a line every 100 ms for a minute; anything else
// answers at once. Both long ones stop when their connection closes. Records request_began, and request_done
// or close_seen.
class Backend {
 public:
  // `timeline` outlives the backend.
  static Result<std::unique_ptr<Backend>> start(Timeline& timeline);
  const SocketAddress& address() const { return server_->address(); }

 private:
  explicit Backend(Timeline& timeline) : timeline_(timeline) {}
  void serve(Peer& peer);
  // False when the connection is of no more use.
  bool work(Peer& peer, const Event& about);
  bool stream(Peer& peer, const Event& about);
  bool answer(Peer& peer, const Event& about, std::string_view body);
  void record(const Event& about, Event::Kind kind);

  Timeline& timeline_;
  std::unique_ptr<ThreadServer> server_;
};

}  // namespace hangup::app::demo
