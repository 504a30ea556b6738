#include "proxy/forwarding.h"

#include "proxy/query.h"

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include <hangup/base/text.h>
#include <hangup/config/path.h>

namespace hangup::proxy {
namespace {

// Many a backend gets its fields as CGI's variables, where X_Forwarded_For and X-Forwarded-For are one (RFC
// 3875 section 4.1.18): what is replaced or taken away is so in both spellings.
template <typename Names>
bool any_of(const Names& names, std::string_view name) {
  return std::ranges::any_of(names, [name](const auto& each) { return http::same_variable(each, name); });
}

// A few names. That a field's is none of them its length says, as a rule.
template <std::size_t count>
class NameSet {
 public:
  template <typename... Names>
  constexpr explicit NameSet(Names... names) : names_{names...} {
    for (const std::string_view name : names_) lengths_ |= 1U << name.size();
  }
  bool contains(std::string_view name) const {
    return name.size() < 32 && (lengths_ >> name.size() & 1U) != 0 && any_of(names_, name);
  }

 private:
  std::array<std::string_view, count> names_;
  std::uint32_t lengths_ = 0;
};
template <typename... Names>
NameSet(Names...) -> NameSet<sizeof...(Names)>;

// Written afresh for each message.
constexpr NameSet framing_fields("content-length", "transfer-encoding");
constexpr NameSet replaced_request_fields("host", "forwarded", "x-forwarded-for", "x-forwarded-host",
                                          "x-forwarded-proto", "x-request-id");

constexpr NameSet trace_fields("traceparent", "tracestate");

// Whether a field of the request's is another trace's.
bool is_foreign_trace(std::string_view name, const Trace& trace) {
  if (trace.parent().empty() || !trace_fields.contains(name)) return false;
  return !trace.continued() || !equals_ignoring_case(name, "tracestate");
}

bool changed(const config::HeaderChanges& changes, std::string_view name) {
  return any_of(changes.remove, name) || std::ranges::any_of(changes.set, [name](const auto& each) {
           return http::same_variable(each.first, name);
         });
}

// The field that tells servers whose certificate a client of this listener has shown; "" for none.
std::string_view subject_field(const downstream::ClientInfo& client) {
  const bool has_one = client.listener != nullptr && client.listener->tls;
  return has_one ? std::string_view(client.listener->tls->client_subject_header) : std::string_view();
}

void append_set_fields(std::vector<http::Field>& out, RenderedValues& values,
                       const config::HeaderChanges& changes, const config::VariableSource& variables) {
  for (const auto& [name, value] : changes.set) {
    auto rendered = value.render(variables, config::Place::header);
    if (rendered) out.push_back({name, values.emplace_back(std::move(*rendered))});
  }
}

}  // namespace

void forward_request_fields(std::vector<http::Field>& out, RenderedValues& values,
                            const http::RequestHead& request, const RequestContext& context,
                            const config::HeaderChanges& changes, const config::VariableSource& variables) {
  const http::HopByHop hop_by_hop(request.fields);
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty() && !changed(changes, name)) out.push_back({name, value});
  };
  out.push_back({"Host", context.host});
  for (const http::Field& field : request.fields) {
    if (hop_by_hop.contains(field.name) || framing_fields.contains(field.name) ||
        replaced_request_fields.contains(field.name) || any_of(context.subject_headers, field.name) ||
        is_foreign_trace(field.name, context.trace) || changed(changes, field.name)) {
      continue;
    }
    if (!context.keep_authorization && equals_ignoring_case(field.name, "authorization")) continue;
    // An expectation of nothing, or of a client that can't be told.
    if (!request.expects_continue && equals_ignoring_case(field.name, "expect")) continue;
    out.push_back(field);
  }
  add("Via", request.version == http::Version::http11 ? "1.1 hangup" : "1.0 hangup");
  const Origin& origin = context.origin;
  add("X-Forwarded-For", origin.chain);
  add("X-Forwarded-Proto", origin.secure ? "https" : "http");
  add("X-Forwarded-Host", origin.host.empty() ? request.host : std::string_view(origin.host));
  add("X-Request-Id", context.request_id);
  add("traceparent", context.trace.parent());
  if (const std::string_view name = subject_field(context.client); !name.empty())
    add(name, context.client.subject);
  append_set_fields(out, values, changes, variables);
}

http::Fields forwarded_trailers(const http::Fields& trailers, const config::HeaderChanges& changes,
                                std::span<const std::string> subject_headers) {
  http::Fields out;
  for (const http::Field& field : trailers) {
    if (!any_of(subject_headers, field.name) && !changed(changes, field.name))
      out.add(field.name, field.value);
  }
  return out;
}

void forward_response_fields(std::vector<http::Field>& out, RenderedValues& values,
                             const http::ResponseHead& response, const config::HeaderChanges& changes,
                             const config::VariableSource& variables, std::string_view date) {
  const http::HopByHop hop_by_hop(response.fields);
  bool dated = changed(changes, "date");
  for (const http::Field& field : response.fields) {
    if (hop_by_hop.contains(field.name) || framing_fields.contains(field.name) ||
        changed(changes, field.name))
      continue;
    dated = dated || equals_ignoring_case(field.name, "date");
    out.push_back(field);
  }
  if (!dated) out.push_back({"Date", date});
  append_set_fields(out, values, changes, variables);
}

void forward_interim_fields(std::vector<http::Field>& out, const http::ResponseHead& response,
                            const config::HeaderChanges& changes) {
  const http::HopByHop hop_by_hop(response.fields);
  for (const http::Field& field : response.fields) {
    if (!hop_by_hop.contains(field.name) && !framing_fields.contains(field.name) &&
        !changed(changes, field.name))
      out.push_back(field);
  }
}

std::string http_date(WallTime time) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::string_view forwarded_target(const http::RequestHead& request, const config::RequestChanges& changes,
                                  const config::VariableSource& variables, bool as_matched,
                                  std::string& scratch) {
  if (request.target == "*") return request.target;
  std::string normalised;
  const std::string_view path = as_matched && request.path != "*"
                                    ? config::normalised_path(request.path, normalised)
                                    : std::string_view(request.path);
  const bool query_changes = !changes.set_query.empty() && request.path != "*";
  if (request.target.starts_with('/') && !query_changes && path == request.path) return request.target;
  scratch = path;
  if (query_changes) {
    const std::size_t mark = scratch.size();
    scratch += '?';
    append_changed_query(scratch, request.query, changes.set_query, variables);
    if (scratch.size() == mark + 1) scratch.resize(mark);
  } else if (request.has_query) {
    scratch.append("?").append(request.query);
  }
  return scratch;
}

}  // namespace hangup::proxy
