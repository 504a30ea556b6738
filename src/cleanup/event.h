// The default body of a cleanup: a CloudEvents 1.0 event in structured JSON.
#pragma once

#include <string>
#include <string_view>

#include <hangup/config/template.h>

namespace hangup::cleanup {

inline constexpr std::string_view event_media_type = "application/cloudevents+json";

// `id` is the webhook-id, so that an event has one identity over all ways it arrives.
std::string make_event(const config::VariableSource& source, std::string_view id,
                       std::string_view request_id);

}  // namespace hangup::cleanup
