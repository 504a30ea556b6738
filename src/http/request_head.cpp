#include "http/chars.h"
#include "http/field_lines.h"
#include "http/framing.h"
#include "http/head_scan.h"
#include "http/parsed.h"
#include "http/target.h"

#include <hangup/base/text.h>
#include <hangup/http/message.h>

namespace hangup::http {
namespace {

// "METHOD SP target SP HTTP/1.x", one space each.
Parsed<void> read_request_line(std::string_view line, const HeadLimits& limits, RequestHead& head) {
  const std::size_t method_bytes = run_of(line, token_char);
  if (method_bytes == 0 || method_bytes == line.size() || line[method_bytes] != ' ') {
    return refuse(400, "the request line does not start with a method");
  }
  if (method_bytes > max_method_bytes) return refuse(501, "the method is too long");
  head.method = line.substr(0, method_bytes);
  line.remove_prefix(method_bytes + 1);
  const std::size_t target_bytes = line.find(' ');
  if (target_bytes == std::string_view::npos) return refuse(400, "the request line has no HTTP version");
  if (target_bytes > limits.target_bytes) return std::unexpected(target_too_long());
  head.target = line.substr(0, target_bytes);
  const auto version = parse_version(line.substr(target_bytes + 1));
  if (!version) return std::unexpected(version.error());
  head.version = *version;
  if (head.method == "CONNECT") return refuse(501, "CONNECT is not served here");
  return {};
}

// The host that the request is for: RFC 9112 section 3.2.
Parsed<std::string_view> choose_host(const Controls& controls, std::string_view authority, Version version) {
  if (controls.hosts > 1) return refuse(400, "more than one Host");
  if (controls.hosts == 0) {
    if (version == Version::http11) return refuse(400, "no Host");
    return authority;
  }
  if (!is_valid_host(controls.host)) return refuse(400, "the Host is not valid");
  if (!authority.empty() && !equals_ignoring_case(authority, controls.host)) {
    return refuse(400, "the Host is not the request target's");
  }
  return controls.host;
}

// REQUIRES: `text` is a whole head as find_head_end() leaves it, without empty lines before it.
Parsed<void> read_head(std::string_view text, std::size_t lines, const HeadLimits& limits,
                       RequestHead& head) {
  const std::size_t line_end = text.find('\n');
  if (const auto line = read_request_line(text.substr(0, line_end - 1), limits, head); !line) return line;
  const auto target = parse_target(head.target, head.method);
  if (!target) return std::unexpected(target.error());
  head.path = target->path;
  head.query = target->query;
  head.has_query = target->has_query;

  head.fields.reserve(lines - 1);
  const std::string_view field_lines = text.substr(line_end + 1, text.size() - line_end - 3);
  if (const auto fields = read_field_lines(field_lines, head.fields); !fields) return fields;

  const Controls controls = gather_controls(head.fields);
  const auto host = choose_host(controls, target->authority, head.version);
  if (!host) return std::unexpected(host.error());
  head.host = *host;
  const auto framing = request_framing(controls, head.method, head.version);
  if (!framing) return std::unexpected(framing.error());
  head.framing = *framing;
  head.keep_alive = controls.persistent(head.version);
  if (controls.expects_more) return refuse(417, "the expectation is not known");
  head.expects_continue =
      controls.expects_continue && head.version == Version::http11 && !head.framing.empty();
  return {};
}

}  // namespace

Parsed<std::size_t> RequestHeadParser::parse(std::string_view bytes) {
  const auto end = find_head_end(bytes, limits_, HeadKind::request, scan_);
  if (!end || *end == 0) return end;
  std::string_view text = bytes.substr(0, *end);
  while (text.starts_with("\r\n")) text.remove_prefix(2);

  head_ = std::make_unique<RequestHead>();
  head_->storage = std::make_unique_for_overwrite<char[]>(text.size());
  text.copy(head_->storage.get(), text.size());
  const std::size_t lines = std::exchange(scan_, {}).lines;
  if (auto read = read_head({head_->storage.get(), text.size()}, lines, limits_, *head_); !read) {
    return std::unexpected(std::move(read).error());
  }
  return end;
}

}  // namespace hangup::http
