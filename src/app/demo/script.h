// The scripted clients of the demo: one completes, one leaves while it waits, one leaves while it is sent a
// stream.
#pragma once

#include "app/demo/peer.h"
#include "app/demo/timeline.h"

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/address.h>

namespace hangup::app::demo {

// Plays the clients one after the other, prints what happened when, and keeps account of what was not as
// promised.
class Script {
 public:
  // `timeline` and `out` outlive the script.
  Script(Timeline& timeline, SocketAddress proxy, std::ostream& out)
      : timeline_(timeline), proxy_(proxy), out_(out) {}

  void play();
  // Looks once more, when no cleanup can be under way any more, whether each came exactly as often as it
  // should.
  void check_cleanups();
  const std::vector<std::string>& broken_promises() const { return broken_promises_; }

 private:
  struct Departure {
    std::string_view title;
    std::string_view path;
    std::string_view phase;
    std::string_view await;  // what the client waits to receive before it leaves; "" for nothing
  };

  void play_completion();
  void play_departure(const Departure& departure);
  bool request(Peer& client, std::string_view path);
  void print_departure(const Event& began, MonoTime gone, const Departure& departure);
  // The first event of that kind about that request; a broken promise when there is none in time.
  std::optional<Event> expect(Event::Kind kind, const std::string& request_id, std::string_view what);
  void promise(bool kept, std::string broken);
  void print(std::string_view when, std::string_view who, std::string_view what);

  Timeline& timeline_;
  SocketAddress proxy_;
  std::ostream& out_;
  StopSign never_;
  std::string completed_id_;
  std::vector<std::string> departed_ids_;
  std::vector<std::string> broken_promises_;
};

}  // namespace hangup::app::demo
