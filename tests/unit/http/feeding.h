// Runs a head through its parser and writes down all it says.
#pragma once

#include "unit/http/pieces.h"

#include <cstddef>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include <hangup/http/message.h>

namespace hangup::http {

inline std::string describe(const Framing& framing) {
  switch (framing.kind) {
    case Framing::Kind::none:
      return "none";
    case Framing::Kind::length:
      return "length " + std::to_string(framing.length);
    case Framing::Kind::chunked:
      return "chunked";
    case Framing::Kind::until_close:
      return "until_close";
  }
  return "?";
}

inline std::string describe(const Fields& fields) {
  std::string text;
  for (const auto& [name, value] : fields) text.append(name).append("=").append(value).append("\n");
  return text;
}

inline std::string describe(const RequestHead& head) {
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    text.append(name).append("<").append(value).append(">\n");
  };
  add("method", head.method);
  add("target", head.target);
  add("path", head.path);
  add("query", head.has_query ? head.query : "-");
  add("host", head.host);
  add("version", head.version == Version::http11 ? "1.1" : "1.0");
  add("framing", describe(head.framing));
  add("keep_alive", head.keep_alive ? "yes" : "no");
  add("expects_continue", head.expects_continue ? "yes" : "no");
  return text + describe(head.fields);
}

inline std::string describe(const ResponseHead& head) {
  std::string text = head.version == Version::http11 ? "1.1 " : "1.0 ";
  text += std::to_string(head.status) + " <" + std::string(head.reason) + ">\n";
  text += describe(head.framing) + (head.keep_alive ? ", keep\n" : ", close\n");
  return text + describe(head.fields);
}

// What became of a head.
struct Verdict {
  int status = 0;  // 0: accepted, or not whole
  std::size_t consumed = 0;
  std::string head;

  bool accepted() const { return consumed != 0; }
  bool operator==(const Verdict&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Verdict& verdict) {
  return out << "status " << verdict.status << ", consumed " << verdict.consumed << "\n" << verdict.head;
}

// Each call gets the bytes at a place of their own, since a connection's buffer may move between calls.
template <typename Parser, typename... Context>
Verdict feed(Parser& parser, std::string_view text, const Cuts& cuts, Context... context) {
  for (const std::size_t end : cuts) {
    std::string received(text.substr(0, end));
    const auto parsed = parser.parse(received, context...);
    received.assign(received.size(), '?');
    if (!parsed) return {parsed.error().status, 0, {}};
    if (*parsed == 0) continue;
    const auto head = parser.take();
    return {0, *parsed, describe(head)};
  }
  return {};
}

inline Verdict feed_request(std::string_view text, const Cuts& cuts, const HeadLimits& limits = {}) {
  RequestHeadParser parser(limits);
  return feed(parser, text, cuts);
}

inline Verdict feed_response(std::string_view text, const Cuts& cuts, std::string_view request_method = "GET",
                             const HeadLimits& limits = {}) {
  ResponseHeadParser parser(limits);
  return feed(parser, text, cuts, request_method);
}

// REQUIRES: `text` is one good head and nothing else.
inline RequestHead parse_request(std::string_view text) {
  RequestHeadParser parser(HeadLimits{});
  if (parser.parse(text).value_or(0) != text.size()) return {};
  return parser.take();
}

}  // namespace hangup::http
