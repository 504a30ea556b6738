// Points in time as logs, templates and commands write them: RFC 3339, in UTC.
#pragma once

#include <string>

#include <hangup/base/clock.h>

namespace hangup {

// "2026-03-01T08:15:30Z"
std::string utc_seconds(WallTime time);
// "2026-03-01T08:15:30.250Z"
std::string utc_milliseconds(WallTime time);

}  // namespace hangup
