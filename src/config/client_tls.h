// tls: of an upstream and of a cleanup, where hangup is the client.
#pragma once

#include "config/section.h"

#include <hangup/config/config.h>

namespace hangup::config {

// That the files can be read is checked here; what is in them, when TLS is set up.
void read_client_tls(Section& section, ClientTls& tls);

}  // namespace hangup::config
