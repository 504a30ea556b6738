#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include <hangup/admin/delivery_json.h>
#include <hangup/base/utc.h>

namespace hangup::admin {
namespace {

using DeliveryJson = nlohmann::ordered_json;

DeliveryJson time_or_null(std::optional<WallTime> time) {
  return time ? DeliveryJson(utc_milliseconds(*time)) : DeliveryJson(nullptr);
}
DeliveryJson known_or_null(const std::string& text) {
  return text.empty() ? DeliveryJson(nullptr) : DeliveryJson(text);
}

}  // namespace

nlohmann::ordered_json delivery_json(const cleanup::OutboxFile::Entry& entry) {
  return {{"webhook_id", entry.id},
          {"request_id", entry.request_id},
          {"cleanup", entry.cleanup},
          {"receiver", entry.receiver},
          {"turn", entry.turn},
          {"state", to_string(entry.state)},
          {"attempts", entry.attempts},
          {"created", utc_milliseconds(entry.created)},
          {"next_attempt", time_or_null(entry.next_attempt)},
          {"expires", time_or_null(entry.expires)},
          {"ended", time_or_null(entry.ended)},
          {"last_status", entry.last_status ? DeliveryJson(*entry.last_status) : DeliveryJson(nullptr)},
          {"last_error", known_or_null(entry.last_error)},
          {"dead_reason", known_or_null(entry.dead_reason)}};
}

nlohmann::ordered_json stats_json(const cleanup::OutboxFile::Stats& stats) {
  const auto& names = cleanup::delivery_state_names;
  DeliveryJson states = DeliveryJson::object();
  for (const std::string_view name : names) states[std::string(name)] = 0;
  DeliveryJson cleanups = DeliveryJson::object();
  for (const auto& [cleanup, counts] : stats.counts) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto found = counts.find(static_cast<cleanup::DeliveryState>(i));
      const std::uint64_t count = found == counts.end() ? 0 : found->second;
      const std::string name(names[i]);
      cleanups[cleanup][name] = count;
      states[name] = states[name].get<std::uint64_t>() + count;
    }
  }
  const auto& oldest = stats.oldest_pending;
  return {{"states", std::move(states)},
          {"cleanups", std::move(cleanups)},
          {"oldest_pending_seconds",
           oldest ? DeliveryJson(std::chrono::duration<double>(*oldest).count()) : DeliveryJson(nullptr)}};
}

}  // namespace hangup::admin
