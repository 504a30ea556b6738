#include "proxy/body_planting.h"

#include "proxy/json_edit.h"
#include "proxy/media_type.h"

#include <expected>
#include <utility>
#include <variant>

#include <hangup/base/text.h>
#include <hangup/base/units.h>

namespace hangup::proxy {
namespace {

std::string too_long(const config::RequestChanges& changes) {
  return "it is longer than json_limit, " + format_bytes(changes.json_limit);
}

const config::VariableRef* only_raw_variable(const config::Template& value) {
  if (value.segments().size() != 1) return nullptr;
  const auto* ref = std::get_if<config::VariableRef>(&value.segments().front());
  return ref != nullptr && ref->raw ? ref : nullptr;
}

// Nothing: the field stays as it is. The error says what is wrong with a raw value.
std::expected<std::optional<std::string>, std::string> json_value(const config::Template& value,
                                                                  const config::VariableSource& variables) {
  auto rendered = value.render(variables, config::Place::json);
  if (!rendered) return std::nullopt;
  const config::VariableRef* raw = only_raw_variable(value);
  if (raw == nullptr) return '"' + *rendered + '"';
  if (!is_json(*rendered))
    return std::unexpected("the value of {" + variable_name(*raw) + "|raw} is not JSON");
  return std::move(*rendered);
}

}  // namespace

std::optional<std::string> BodyPlanting::obstacle(const http::RequestHead& request,
                                                  const config::RequestChanges& changes) {
  if (request.framing.empty()) return "there is none";
  if (!equals_ignoring_case(media_type(request.fields), "application/json"))
    return "its media type is not application/json";
  if (is_encoded(request.fields)) return "it has a content coding";
  for (const std::string_view digest : {"content-digest", "repr-digest", "digest", "content-md5"}) {
    if (request.fields.find(digest)) return "the request has a digest of it";
  }
  if (request.framing.kind == http::Framing::Kind::length &&
      request.framing.length > changes.json_limit.count)
    return too_long(changes);
  return std::nullopt;
}

bool BodyPlanting::add(std::string_view data) {
  body_ += data;
  return body_.size() <= changes_.json_limit.count;
}

std::optional<std::string> BodyPlanting::plant(const config::VariableSource& variables) {
  if (body_.size() > changes_.json_limit.count) return too_long(changes_);
  std::string edited;
  bool any = false;
  for (const auto& [path, text] : changes_.set_json) {
    auto value = json_value(text, variables);
    if (!value) return std::move(value.error());
    if (!*value) continue;
    auto with = with_field(any ? edited : body_, path, **value);
    if (!with) return std::move(with.error());
    edited = std::move(*with);
    any = true;
  }
  if (!any) return std::nullopt;
  body_ = std::move(edited);
  edited_ = true;
  return std::nullopt;
}

}  // namespace hangup::proxy
