// What a listener does its TLS handshakes by, from its configuration and the files that this names.
#pragma once

#include <memory>

#include <hangup/config/config.h>
#include <hangup/net/tls_server.h>

namespace hangup::app {

// REQUIRES: listener.tls. The error names the listener, the file and what is wrong with it.
Result<std::shared_ptr<const net::TlsServer>> make_listener_tls(const config::Listener& listener);

}  // namespace hangup::app
