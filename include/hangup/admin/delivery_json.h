// How a delivery is shown to programs: by the admin pages, and by `hangup outbox`.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <hangup/cleanup/outbox_file.h>

namespace hangup::admin {

nlohmann::ordered_json delivery_json(const cleanup::OutboxFile::Entry& entry);

// {"states": {"pending": 0, ...}, "cleanups": {NAME: {"pending": 0, ...}}, "oldest_pending_seconds": null}
nlohmann::ordered_json stats_json(const cleanup::OutboxFile::Stats& stats);

}  // namespace hangup::admin
