#include "cleanup/sqlite_outbox.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include <hangup/cleanup/open.h>

namespace hangup::cleanup {

Result<OpenedOutbox> open_outbox(const config::Config& config, std::shared_ptr<spdlog::logger> access_log,
                                 std::shared_ptr<spdlog::logger> log) {
  if (config.cleanups.empty() || config.outbox.store == config::Outbox::Store::memory) {
    auto credentials = load_credentials(config);
    if (!credentials) return std::unexpected(std::move(credentials.error()));
    return OpenedOutbox{
        .outbox = std::make_unique<MemoryOutbox>(MemoryOutbox::Options{}, *std::move(credentials),
                                                 std::move(access_log), std::move(log)),
        .crashed = {}};
  }
  // The lock and what lies beside the file are the same by whatever name it is called.
  std::error_code ignored;
  const auto path = std::filesystem::weakly_canonical(config.outbox.path, ignored);
  auto opened = SqliteOutbox::open({.path = path.empty() ? config.outbox.path : path,
                                    .keep_delivered = config.outbox.keep_delivered,
                                    .in_flight_journal = config.outbox.in_flight_journal},
                                   config, std::move(access_log), std::move(log));
  if (!opened) return std::unexpected(opened.error());
  return OpenedOutbox{.outbox = std::move(opened->outbox), .crashed = std::move(opened->crashed)};
}

}  // namespace hangup::cleanup
