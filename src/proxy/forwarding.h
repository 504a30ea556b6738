// What of a message is forwarded: end-to-end fields only (RFC 9110 section 7.6), the route's changes, and the
// fields by which a proxy makes itself and the client known.
#pragma once

#include "proxy/origin.h"
#include "proxy/trace.h"

#include <list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/config/config.h>
#include <hangup/http/message.h>

namespace hangup::proxy {

// Keeps the values that were rendered for one message, for the views into them.
using RenderedValues = std::list<std::string>;

// What a forwarded request says beside what the client's did.
struct RequestContext {
  const downstream::ClientInfo& client;
  const Origin& origin;
  std::span<const std::string> subject_headers;  // which only hangup writes: Config::client_subject_headers
  std::string_view request_id;
  const Trace& trace;
  std::string_view host;
  bool keep_authorization = true;  // false: it was for hangup
};

// Appends the fields of the forwarded request to `out`. A template without a value leaves its field out. The
// peer is not believed beyond its origin: what it says in X-Forwarded-*, Forwarded and X-Request-Id is
// replaced by what that has; a trace context by the exchange's own, unless it has none.
void forward_request_fields(std::vector<http::Field>& out, RenderedValues& values,
                            const http::RequestHead& request, const RequestContext& context,
                            const config::HeaderChanges& changes, const config::VariableSource& variables);

// The same for a response. Adds `date` if the server did not (RFC 9110 section 6.6.1); it is good as long as
// `values`.
void forward_response_fields(std::vector<http::Field>& out, RenderedValues& values,
                             const http::ResponseHead& response, const config::HeaderChanges& changes,
                             const config::VariableSource& variables, std::string_view date);

// The same for an interim (1xx) response, which has nothing that speaks of a body, and is given nothing.
void forward_interim_fields(std::vector<http::Field>& out, const http::ResponseHead& response,
                            const config::HeaderChanges& changes);

// A message's trailers, without those whose names the route changes, since many recipients merge them into
// the fields, and without what only hangup says about clients. Views as those of `trailers`.
http::Fields forwarded_trailers(const http::Fields& trailers, const config::HeaderChanges& changes,
                                std::span<const std::string> subject_headers = {});

// An IMF-fixdate (RFC 9110 section 5.6.7).
std::string http_date(WallTime time);

// Origin-form of the target with the parameters that are set in its query; `*` as it is. `as_matched`: with
// the path that routes were compared with, rather than the client's spelling of it. A view into the head, or
// into `scratch`.
std::string_view forwarded_target(const http::RequestHead& request, const config::RequestChanges& changes,
                                  const config::VariableSource& variables, bool as_matched,
                                  std::string& scratch);

}  // namespace hangup::proxy
