// The contract's outcomes and phases, which configurations, logs, cleanups and the exchange all name.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace hangup {

// How an exchange ended: exactly one each.
enum class Outcome : std::uint8_t {
  completed,             // the last byte of the response was handed to the kernel with the client still there
  client_gone,           // the client disconnected, or was declared dead, before that
  client_timeout,        // the client was too slow to send its request or to read its response
  upstream_unreachable,  // no server could be connected to
  upstream_timeout,      // a server was too slow to connect, to send its head, or between bytes
  upstream_reset,        // the server closed before its response was whole
  upstream_invalid,      // what the server sent is not HTTP
  rejected,              // hangup answered by itself
  deadline,              // the exchange outlived its own deadline
  shutdown,              // hangup's drain time ran out first
  crashed,               // hangup itself died with the exchange in flight
};

// Where an exchange stands, in this order.
enum class Phase : std::uint8_t {
  reading_request,
  queued,
  connecting,
  sending_request,
  awaiting_response,
  streaming_response,
  tunnel,
};

inline constexpr std::array<std::string_view, 11> outcome_names = {
    "completed",        "client_gone",    "client_timeout",   "upstream_unreachable",
    "upstream_timeout", "upstream_reset", "upstream_invalid", "rejected",
    "deadline",         "shutdown",       "crashed"};
inline constexpr std::array<std::string_view, 7> phase_names = {
    "reading_request",    "queued", "connecting", "sending_request", "awaiting_response",
    "streaming_response", "tunnel"};

constexpr std::string_view to_string(Outcome outcome) {
  return outcome_names[static_cast<std::size_t>(outcome)];
}
constexpr std::string_view to_string(Phase phase) {
  return phase_names[static_cast<std::size_t>(phase)];
}

// A set of outcomes.
class OutcomeSet {
 public:
  constexpr OutcomeSet() = default;
  constexpr OutcomeSet(std::initializer_list<Outcome> outcomes) {
    for (Outcome outcome : outcomes) add(outcome);
  }
  constexpr void add(Outcome outcome) { bits_ = static_cast<std::uint16_t>(bits_ | bit(outcome)); }
  constexpr bool contains(Outcome outcome) const { return (bits_ & bit(outcome)) != 0; }

 private:
  static constexpr unsigned bit(Outcome outcome) { return 1U << static_cast<unsigned>(outcome); }
  std::uint16_t bits_ = 0;
};

}  // namespace hangup
