// Signatures as Standard Webhooks 1.0 define them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hangup::cleanup {

// The value of `webhook-signature`: "v1,<base64 of HMAC-SHA256(key, id.timestamp.body)>" for each key, in
// their order, with a blank between. `timestamp` is that of the attempt, in seconds; `id` has no `.`, which
// would make what is signed ambiguous.
std::string sign(std::span<const std::string> keys, std::string_view id, std::string_view timestamp,
                 std::string_view body);

}  // namespace hangup::cleanup
