// Where a cleanup goes: to, url and tls.
#pragma once

#include "config/section.h"

#include <vector>

#include <hangup/config/config.h>

namespace hangup::config {

// Appends the url to `templates`, for what is checked of all templates of a cleanup.
void read_target(Section& section, Cleanup& cleanup, std::vector<TemplateText>& templates);

}  // namespace hangup::config
