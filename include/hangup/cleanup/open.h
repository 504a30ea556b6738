// Opening the outbox that a configuration asks for, and seeing to what an earlier life of the process left.
#pragma once

#include <spdlog/fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/base/outcome.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/config/config.h>

namespace hangup::cleanup {

// An exchange that was in flight when hangup died, with outcome `crashed`: what its line in the access log
// says.
struct CrashedExchange {
  std::string id;          // hangup's own
  std::string request_id;  // {request.id}
  std::string trace_id;    // "" for none
  std::string route;
  WallTime started{};
  Phase phase = Phase::reading_request;
  std::string client_ip;
  std::uint16_t client_port = 0;
  std::string user;
  std::string method;
  std::string host;
  std::string path;
  int status = 0;  // of the response's head, if there was one
  std::string upstream;
  std::vector<std::string> cleanup_ids;
  std::string cleanup_skipped;
};

struct OpenedOutbox {
  std::unique_ptr<Outbox> outbox;
  std::vector<CrashedExchange> crashed;  // their cleanups are in the outbox
};

// The outbox in memory if the configuration says so, or has no cleanup at all; else the one in a file, with
// what is pending in it, with what an earlier process had added but not committed, and with the cleanups of
// the exchanges in its journals. A file that can't be used now is no error but Outbox::trouble(); errors are
// one that another process works with, one of a later version, and one that is something else.
Result<OpenedOutbox> open_outbox(const config::Config& config, std::shared_ptr<spdlog::logger> access_log,
                                 std::shared_ptr<spdlog::logger> log);

}  // namespace hangup::cleanup
