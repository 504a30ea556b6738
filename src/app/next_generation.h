// Makes the generation that follows from a configuration, all that can fail first: sockets are bound and
// files read, and nothing that is in use changes until commit() is called.
#pragma once

#include "app/generation.h"
#include "app/systemd.h"
#include "app/worker.h"

#include <spdlog/fwd.h>

#include <functional>
#include <memory>
#include <vector>

#include <hangup/base/error.h>

namespace hangup::app {

struct NextGeneration {
  std::shared_ptr<const Generation> generation;
  std::vector<Worker::Sockets> sockets;       // for each worker
  std::vector<std::function<void()>> commit;  // what changes of things that go over
  std::vector<Generation::Listener> added;
};

// `before` is null at the start. `log` outlives the generation.
Result<NextGeneration> make_generation(std::shared_ptr<const config::Config> config, const Generation* before,
                                       const InheritedSockets& inherited, spdlog::logger& log);

// Whether a listener of `before` is one of `now`, by its socket.
bool keeps(const Generation& now, const Generation::Listener& before);

}  // namespace hangup::app
