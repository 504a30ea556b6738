// How connections arrive at a listener: through which proxies, and by TLS.
#pragma once

#include "config/section.h"

#include <hangup/config/config.h>

namespace hangup::config {

// trusted_proxies of a listener.
void read_way_in(Section& listener_section, Listener& listener);

}  // namespace hangup::config
