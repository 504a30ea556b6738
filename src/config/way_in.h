// How connections arrive at a listener: through which proxies, and by TLS.
#pragma once

#include "config/section.h"

#include <hangup/config/config.h>

namespace hangup::config {

// trusted_proxies, proxy_protocol, trust_request_id, trace and tls of a listener.
void read_way_in(Section& section, Listener& listener);

}  // namespace hangup::config
