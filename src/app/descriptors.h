// How the file descriptors that this process may have are shared out.
#pragma once

#include <cstddef>
#include <vector>

#include <hangup/base/error.h>
#include <hangup/config/config.h>

namespace hangup::app {

struct DescriptorPlan {
  std::size_t needed = 0;  // for as much at once as the configuration allows
  std::vector<std::size_t>
      connections;  // of each listener: limits.connections, or fewer where that is too many
};

// The limit on open files, raised as far as the system allows.
std::size_t raise_descriptor_limit();

// `allowed`: the limit. Fewer connections are left for clients rather than too few descriptors for their
// requests. The error says what to do: not even a few connections are left.
Result<DescriptorPlan> plan_descriptors(const config::Config& config, std::size_t allowed);

}  // namespace hangup::app
