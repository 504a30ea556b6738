// Everything that is counted in the process, as Prometheus's metric families.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <optional>
#include <vector>

#include <hangup/admin/admin.h>

namespace hangup::admin {

// `dead_letters` is what the outbox's file holds of them; nullopt where that is not known. Any thread.
std::vector<prometheus::MetricFamily> collect(const Sources& sources,
                                              std::optional<std::uint64_t> dead_letters);

}  // namespace hangup::admin
