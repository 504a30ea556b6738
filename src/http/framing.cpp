#include "http/framing.h"

#include "http/chars.h"

#include <hangup/base/text.h>

namespace hangup::http {
namespace {

// Both together, or one of them twice, is how requests are smuggled (RFC 9112 section 11.2).
Parsed<void> check_counts(const Controls& controls) {
  if (controls.content_lengths > 1) return refuse(400, "more than one Content-Length");
  if (controls.transfer_encodings > 1) return refuse(400, "more than one Transfer-Encoding");
  if (controls.content_lengths != 0 && controls.transfer_encodings != 0) {
    return refuse(400, "Content-Length together with Transfer-Encoding");
  }
  return {};
}

Parsed<Framing> coded_framing(std::string_view codings, Version version) {
  if (version == Version::http10) return refuse(400, "Transfer-Encoding in HTTP/1.0");
  if (equals_ignoring_case(codings, "chunked")) return Framing::in_chunks();
  if (!codings.empty() && all_of(codings, token_char)) return refuse(501, "the transfer coding is not known");
  return refuse(400, "Transfer-Encoding is not `chunked` alone");
}

Parsed<Framing> counted_framing(std::string_view digits) {
  constexpr std::size_t max_digits = 18;  // fits any integer of 64 bits
  if (digits.empty() || !all_of(digits, digit_char)) return refuse(400, "Content-Length is not a number");
  // Octal, for some.
  if (digits.size() > 1 && digits.front() == '0') return refuse(400, "Content-Length has leading zeros");
  if (digits.size() > max_digits) return refuse(400, "Content-Length is too large");
  std::uint64_t length = 0;
  for (const char digit : digits) length = length * 10 + static_cast<std::uint64_t>(digit - '0');
  return Framing::of_length(length);
}

// What the fields say, whatever the message is; nullopt if they say nothing.
Parsed<std::optional<Framing>> declared_framing(const Controls& controls, Version version) {
  if (const auto counts = check_counts(controls); !counts) return std::unexpected(counts.error());
  if (controls.transfer_encodings != 0) return coded_framing(controls.transfer_encoding, version);
  if (controls.content_lengths != 0) return counted_framing(controls.content_length);
  return std::nullopt;
}

}  // namespace

Controls gather_controls(const Fields& fields) {
  Controls controls;
  for (const auto& [name, value] : fields) {
    switch (name.size()) {
      case 4:
        if (equals_ignoring_case(name, "Host")) {
          ++controls.hosts;
          controls.host = value;
        }
        break;
      case 6:
        if (equals_ignoring_case(name, "Expect")) {
          for_each_member(value, [&](std::string_view member) {
            const bool known = equals_ignoring_case(member, "100-continue");
            (known ? controls.expects_continue : controls.expects_more) = true;
          });
        }
        break;
      case 10:
        if (equals_ignoring_case(name, "Connection")) {
          for_each_member(value, [&](std::string_view member) {
            controls.close |= equals_ignoring_case(member, "close");
            controls.keep_alive |= equals_ignoring_case(member, "keep-alive");
          });
        }
        break;
      case 14:
        if (equals_ignoring_case(name, "Content-Length")) {
          ++controls.content_lengths;
          controls.content_length = value;
        }
        break;
      case 17:
        if (equals_ignoring_case(name, "Transfer-Encoding")) {
          ++controls.transfer_encodings;
          controls.transfer_encoding = value;
        }
        break;
      default:
        break;
    }
  }
  return controls;
}

Parsed<Framing> request_framing(const Controls& controls, std::string_view method, Version version) {
  const auto declared = declared_framing(controls, version);
  if (!declared) return std::unexpected(declared.error());
  const Framing framing = declared->value_or(Framing::no_body());
  if (!framing.empty() && (method == "HEAD" || method == "TRACE")) {
    return refuse(400, "a body where the method has none");
  }
  return framing;
}

Parsed<Framing> response_framing(const Controls& controls, std::string_view request_method, int status,
                                 Version version) {
  const auto declared = declared_framing(controls, version);
  if (!declared) return std::unexpected(declared.error());
  if (status < 200) {
    // A body here would be read as the final response (RFC 9112 section 6.1: neither field may be sent).
    if (*declared && !(*declared)->empty()) return refuse(400, "an interim response with a body");
    return Framing::no_body();
  }
  if (request_method == "HEAD" || status == 204 || status == 304) return Framing::no_body();
  return declared->value_or(Framing::to_close());
}

Parsed<Version> parse_version(std::string_view text) {
  if (text == "HTTP/1.1") return Version::http11;
  if (text == "HTTP/1.0") return Version::http10;
  const bool well_formed = text.size() == 8 && text.starts_with("HTTP/") && is(text[5], digit_char) &&
                           text[6] == '.' && is(text[7], digit_char);
  if (!well_formed || text[5] == '0')
    return refuse(400, "the start line has no HTTP version where it should");
  if (text[5] == '1') return Version::http11;
  return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
}

}  // namespace hangup::http
