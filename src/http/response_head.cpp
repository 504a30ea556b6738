#include "http/chars.h"
#include "http/field_lines.h"
#include "http/framing.h"
#include "http/head_scan.h"
#include "http/parsed.h"

#include <hangup/http/message.h>

namespace hangup::http {
namespace {

// "HTTP/1.x SP 3DIGIT SP reason"; without the second space if there is no reason, as many servers write it.
Parsed<void> read_status_line(std::string_view line, ResponseHead& head) {
  const auto version = parse_version(line.substr(0, line.find(' ')));
  if (!version) return std::unexpected(version.error());
  head.version = *version;
  constexpr std::size_t version_bytes = 8;
  line.remove_prefix(version_bytes);

  constexpr std::size_t digits = 3;
  if (line.size() < 1 + digits || line[0] != ' ' || !all_of(line.substr(1, digits), digit_char)) {
    return refuse(400, "the status line has no status of three digits");
  }
  for (const char digit : line.substr(1, digits)) head.status = head.status * 10 + (digit - '0');
  if (head.status < 100) return refuse(400, "the status is below 100");
  line.remove_prefix(1 + digits);

  if (line.empty()) return {};
  if (line[0] != ' ') return refuse(400, "the status has more than three digits");
  head.reason = line.substr(1);
  if (!all_of(head.reason, value_char)) return refuse(400, "the reason has a control character");
  return {};
}

// Whether the next bytes of the connection are the next response's beyond doubt. A 204 or 304 has no body,
// but a server that announces chunks or a length with a 204 may send one all the same.
bool leaves_reusable(const ResponseHead& head, const Controls& controls) {
  if (head.framing.kind == Framing::Kind::until_close) return false;
  if (head.status == 204 && (controls.transfer_encodings != 0 || controls.content_lengths != 0)) {
    if (controls.content_length != "0") return false;
  }
  return controls.persistent(head.version);
}

// REQUIRES: `text` is a whole head as find_head_end() leaves it.
Parsed<void> read_head(std::string_view text, std::size_t lines, std::string_view request_method,
                       ResponseHead& head) {
  const std::size_t line_end = text.find('\n');
  if (const auto line = read_status_line(text.substr(0, line_end - 1), head); !line) return line;
  head.fields.reserve(lines - 1);
  const std::string_view field_lines = text.substr(line_end + 1, text.size() - line_end - 3);
  if (const auto fields = read_field_lines(field_lines, head.fields); !fields) return fields;

  const Controls controls = gather_controls(head.fields);
  const auto framing = response_framing(controls, request_method, head.status, head.version);
  if (!framing) return std::unexpected(framing.error());
  head.framing = *framing;
  head.keep_alive = leaves_reusable(head, controls);
  return {};
}

}  // namespace

Parsed<std::size_t> ResponseHeadParser::parse(std::string_view bytes, std::string_view request_method) {
  const auto end = find_head_end(bytes, limits_, HeadKind::response, scan_);
  if (!end || *end == 0) return end;

  head_ = std::make_unique<ResponseHead>();
  head_->storage = std::make_unique_for_overwrite<char[]>(*end);
  bytes.copy(head_->storage.get(), *end);
  const std::size_t lines = std::exchange(scan_, {}).lines;
  if (auto read = read_head({head_->storage.get(), *end}, lines, request_method, *head_); !read) {
    return std::unexpected(std::move(read).error());
  }
  return end;
}

}  // namespace hangup::http
