// Everything that follows from one configuration and that all workers share. A reload makes another.
//
// How a reload goes: the server makes the whole of the next generation, with all that can fail (files are
// read, sockets bound) before anything changes; what the two have in common, listening sockets and the
// upstreams that are the same, goes over. Then each worker takes it up between two events of its loop: from
// there on its requests belong to the new one. Nothing is handed over and nothing closes for that: a front
// end keeps its socket, the kernel's queue and every connection, and connections take up the new
// configuration with their next request. An exchange keeps the proxy it began with, and with it its
// generation, which goes when the last of its exchanges has ended, however long that takes.
//
// Threading: immutable once the workers have it, but for what its parts say of themselves. Shared; the last
// owner may be any thread.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/config/config.h>
#include <hangup/downstream/front_end.h>
#include <hangup/net/tls_server.h>
#include <hangup/proxy/router.h>
#include <hangup/upstream/upstream.h>

namespace hangup::app {

struct Generation {
  explicit Generation(std::shared_ptr<const config::Config> from) : config(std::move(from)), router(config) {}

  struct Listener {
    std::shared_ptr<const config::Listener> config;
    std::shared_ptr<downstream::SharedListener> shared;
    std::shared_ptr<const net::TlsServer> tls;  // null for plain text
    SocketAddress address;                      // with the real port
  };

  std::shared_ptr<const config::Config> config;
  proxy::Router router;
  std::map<const config::Upstream*, std::shared_ptr<upstream::SharedUpstream>> upstreams;
  std::vector<Listener> listeners;  // as the configuration's
};

}  // namespace hangup::app
