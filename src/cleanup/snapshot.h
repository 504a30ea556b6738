// What the journal holds of an exchange in flight, read back after a crash. SnapshotPlan writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/base/clock.h>
#include <hangup/base/outcome.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/config/template.h>

namespace hangup::cleanup {

struct Snapshot {
  std::string request_id;  // hangup's own
  std::string route;
  WallTime started{};
  // By the variable's name as templates write it, so that a later version of hangup understands it.
  std::vector<std::pair<std::string, std::string>> values;

  std::optional<std::string_view> value(std::string_view name) const;
  std::string_view shown_id() const;  // {request.id}
  std::optional<std::string_view> trace_id() const;
  std::optional<SocketAddress> address() const;  // as in ServerAt
  // match_text() of a route that has no name but its place, which may be another's now.
  std::optional<std::string_view> match() const;
};

// What requests the route takes, on one line.
std::string match_text(const config::Match& match);

// nullopt for what SnapshotPlan did not write.
std::optional<Snapshot> decode_snapshot(std::string_view bytes);

// What a crashed exchange says about itself to templates. Views of the snapshot.
class SnapshotVariables final : public config::VariableSource {
 public:
  SnapshotVariables(const Snapshot& snapshot, Phase phase, WallTime now)
      : snapshot_(snapshot), phase_(phase), now_(now) {}
  std::optional<std::string_view> value(const config::VariableRef& ref, std::string& scratch) const override;

 private:
  const Snapshot& snapshot_;
  const Phase phase_;
  const WallTime now_;
};

}  // namespace hangup::cleanup
