// W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace an exchange belongs to. For those who
// look at a trace hangup is one step of it: what it sends to the server, and its cleanup calls, have the
// exchange as their parent.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <hangup/base/random.h>
#include <hangup/config/config.h>
#include <hangup/http/fields.h>
#include <hangup/http/traceparent.h>

namespace hangup::proxy {

// What a client's traceparent says that goes on.
struct TraceParent {
  std::string_view trace_id;  // 32 lower-case digits, not all zero
  bool sampled = false;
};
// nullopt unless it is valid: version ff and ids of zeros are not, and of versions that are not known yet the
// front that all versions share is read (section 3.2.4).
std::optional<TraceParent> parse_traceparent(std::string_view field);

class Trace {
 public:
  // Of a request with these fields: continued where `policy` allows it and there is exactly one valid
  // traceparent, else started; none where it is off.
  Trace(config::Listener::Trace policy, const http::Fields& request, RandomBytes& random);

  // "00-<trace id>-<exchange>-01", the traceparent for whatever is asked on the exchange's behalf; "" for
  // none.
  std::string_view parent() const { return parent_; }
  std::string_view id() const { return http::trace_id_of(parent_); }
  // The client's tracestate belongs to it.
  bool continued() const { return continued_; }

 private:
  std::string parent_;
  bool continued_ = false;
};

}  // namespace hangup::proxy
