// Exchanges that an earlier process died with.
#pragma once

#include <span>

#include <hangup/cleanup/open.h>
#include <hangup/observe/access_log.h>
#include <hangup/observe/metrics.h>

namespace hangup::app {

// Each gets the line in the access log, and is counted, as if it had ended now.
void log_crashed(std::span<const cleanup::CrashedExchange> exchanges, observe::AccessLog& access_log,
                 observe::WorkerMetrics& counted);

}  // namespace hangup::app
