#include "config/cleanup_target.h"

#include "config/authority.h"
#include "config/client_tls.h"

#include <algorithm>
#include <array>

#include <hangup/base/text.h>

namespace hangup::config {
namespace {

constexpr std::array<std::pair<std::string_view, Cleanup::To>, 3> receivers = {
    {{"url", Cleanup::To::url},
     {"same_server", Cleanup::To::same_server},
     {"every_server", Cleanup::To::every_server}}};
constexpr std::string_view url_example = "an absolute URL such as http://127.0.0.1:9000/jobs/{request.id}";
constexpr std::string_view path_example = "a path such as /jobs/{request.id}";

constexpr bool is_url_char(char c) {
  return c > 0x20 && c < 0x7f && c != '#';
}

bool has_literal_dot_segment(std::string_view path) {
  for (const std::string_view dots : {"/../", "/./"}) {
    if (path.contains(dots)) return true;
  }
  return path.ends_with("/..") || path.ends_with("/.");
}

// The text before the first variable.
std::string_view start_of(const Template& url) {
  const auto* first = url.segments().empty() ? nullptr : std::get_if<std::string>(&url.segments().front());
  return first == nullptr ? std::string_view() : std::string_view(*first);
}

// "http://" or "https://" as it starts `url`, in any case; empty if it starts otherwise.
std::string_view scheme_of(std::string_view url) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equals_ignoring_case(url.substr(0, scheme.size()), scheme)) return url.substr(0, scheme.size());
  }
  return {};
}

// What is wrong with the start of a URL, or nothing. Scheme, host and port have to be written out: a client
// must not be able to steer where the call goes.
std::string fault_of_origin(const Template& url) {
  const std::string_view start = start_of(url);
  const std::string expected = "expected " + std::string(url_example);
  if (start.starts_with('/')) {
    return "a path alone needs `to: same_server` or `to: every_server`; " + expected;
  }
  const std::string_view scheme = scheme_of(start);
  if (scheme.empty()) return "scheme, host and port have to be written out; " + expected;
  const std::string_view rest = start.substr(scheme.size());
  const std::size_t end = rest.find_first_of("/?#");
  if (end == std::string_view::npos && !url.is_literal()) {
    return "scheme, host and port have to be written out, without variables, and a / has to follow; " +
           expected;
  }
  const auto authority = parse_authority(rest.substr(0, end));
  return authority ? std::string() : authority.error().message;
}

std::string fault_of_url(const Template& url, Cleanup::To to) {
  if (to == Cleanup::To::url) {
    if (auto fault = fault_of_origin(url); !fault.empty()) return fault;
  } else if (!start_of(url).starts_with('/')) {
    const auto* name = std::ranges::find(receivers, to, [](const auto& each) { return each.second; });
    return "`to: " + std::string(name->first) + "` fills in scheme, host and port; expected " +
           std::string(path_example);
  }
  for (const auto& segment : url.segments()) {
    const auto* literal = std::get_if<std::string>(&segment);
    if (literal == nullptr) continue;
    if (!std::ranges::all_of(*literal, is_url_char)) {
      return "a blank, a # or another character that a URL for a request can't have; percent-encode it";
    }
  }
  const std::string_view text = url.text();
  if (has_literal_dot_segment(text.substr(0, text.find('?'))))
    return "a URL with dot segments; write what it means";
  return {};
}

}  // namespace

void read_target(Section& section, Cleanup& cleanup, std::vector<TemplateText>& templates) {
  Reader& reader = section.reader();
  const bool is_receiver_known = section.choice("to", cleanup.to, receivers);
  const bool is_url = cleanup.to == Cleanup::To::url;
  const Node* node = section.required("url", is_url ? url_example : path_example);
  section.section("tls", [&](Section& tls) { read_client_tls(tls, cleanup.tls); });
  if (node == nullptr) return;
  auto text = reader.template_text(*node, "url");
  if (!text) return;
  cleanup.url = text->compiled;
  templates.push_back(std::move(*text));
  if (!is_receiver_known) return;
  if (const std::string fault = fault_of_url(cleanup.url, cleanup.to); !fault.empty()) {
    return reader.problem(node->position, "`url`: " + fault);
  }
  if (is_url && section.has("tls") && !equals_ignoring_case(scheme_of(start_of(cleanup.url)), "https://")) {
    reader.problem(section.node().find("tls")->key->position, "`tls` is for https, and the url says http");
  }
}

}  // namespace hangup::config
