// The demo's webhook receiver.
#pragma once

#include "app/demo/thread_server.h"
#include "app/demo/timeline.h"

#include <memory>
#include <string_view>

namespace hangup::app::demo {

// Takes cleanups at /stop/REQUEST-ID, records cleanup_received, and acknowledges.
class Receiver {
 public:
  static constexpr std::string_view path = "/stop/";

  // `timeline` outlives the receiver.
  static Result<std::unique_ptr<Receiver>> start(Timeline& timeline);
  const SocketAddress& address() const { return server_->address(); }

 private:
  explicit Receiver(Timeline& timeline) : timeline_(timeline) {}
  void serve(Peer& peer);

  Timeline& timeline_;
  std::unique_ptr<ThreadServer> server_;
};

}  // namespace hangup::app::demo
