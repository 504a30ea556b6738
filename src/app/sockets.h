// The listening sockets of listeners.
#pragma once

#include "app/systemd.h"

#include <cstddef>
#include <vector>

#include <hangup/base/error.h>
#include <hangup/config/config.h>
#include <hangup/net/fd.h>

namespace hangup::app {

// One for each of `count` workers. TCP ones share the address by SO_REUSEPORT, so that the kernel spreads
// connections over the workers; a UNIX socket, and one that was passed to us, is one that all accept from.
Result<std::vector<net::Fd>> open_sockets(const config::Listener& listener, std::size_t count,
                                          const InheritedSockets& inherited);

}  // namespace hangup::app
