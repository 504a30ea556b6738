// Reading the configuration for a subcommand.
#pragma once

#include <filesystem>
#include <memory>
#include <ostream>

#include <hangup/config/config.h>

namespace hangup::app::commands {

// Null when there are problems, all of which were then written to `err`, a line each.
inline std::shared_ptr<const config::Config> load_or_report(const std::filesystem::path& file,
                                                            std::ostream& err) {
  auto loaded = config::load(file);
  if (loaded) return *std::move(loaded);
  for (const config::Problem& problem : loaded.error()) err << config::to_string(problem, file) << '\n';
  return nullptr;
}

}  // namespace hangup::app::commands
