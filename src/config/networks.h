// Lists of networks, under whatever key.
#pragma once

#include "config/section.h"

#include <optional>

#include <hangup/base/network.h>

namespace hangup::config {

// allow: of receivers and of a cleanup. An empty list, which would allow nothing, is a problem.
void read_allowed_networks(Section& section, std::optional<Networks>& allowed);

}  // namespace hangup::config
