#include "proxy/trace.h"

#include <algorithm>
#include <cstddef>

namespace hangup::proxy {
namespace {

constexpr std::size_t trace_id_bytes = 16;
constexpr std::size_t parent_id_bytes = 8;
constexpr std::size_t traceparent_size = 55;

constexpr bool is_lower_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool is_id(std::string_view text) {
  return std::ranges::all_of(text, is_lower_hex) && text.find_first_not_of('0') != std::string_view::npos;
}

void append_lower_hex(std::string& out, const unsigned char* bytes, std::size_t count) {
  static constexpr char digits[] = "0123456789abcdef";
  const std::size_t begin = out.size();
  out.resize(begin + 2 * count);
  char* to = out.data() + begin;
  for (std::size_t i = 0; i < count; ++i) {
    *to++ = digits[bytes[i] >> 4];
    *to++ = digits[bytes[i] & 0x0f];
  }
}

// Ids of zeros stand for none; they come up once in 2^64 times.
void append_new_id(std::string& out, RandomBytes& random, std::size_t count) {
  const unsigned char* bytes = random.take(count);
  while (std::all_of(bytes, bytes + count, [](unsigned char byte) { return byte == 0; }))
    bytes = random.take(count);
  append_lower_hex(out, bytes, count);
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view field) {
  if (field.size() < traceparent_size) return std::nullopt;
  const std::string_view version = field.substr(0, 2);
  const std::string_view trace_id = http::trace_id_of(field);
  const std::string_view flags = field.substr(53, 2);
  if (!std::ranges::all_of(version, is_lower_hex) || version == "ff") return std::nullopt;
  // The first version has nothing behind its flags; later ones may, after a dash.
  if (field.size() > traceparent_size && (version == "00" || field[traceparent_size] != '-'))
    return std::nullopt;
  if (field[2] != '-' || field[35] != '-' || field[52] != '-') return std::nullopt;
  if (!is_id(trace_id) || !is_id(field.substr(36, 2 * parent_id_bytes))) return std::nullopt;
  if (!std::ranges::all_of(flags, is_lower_hex)) return std::nullopt;
  const char low = flags[1];
  return TraceParent{.trace_id = trace_id, .sampled = ((low >= 'a' ? low - 'a' + 10 : low - '0') & 1) != 0};
}

Trace::Trace(config::Listener::Trace policy, const http::Fields& request, RandomBytes& random) {
  using Policy = config::Listener::Trace;
  if (policy == Policy::off) return;
  std::optional<TraceParent> given;
  if (policy == Policy::continued) {
    if (const auto field = request.find("traceparent"); field && request.count("traceparent") == 1)
      given = parse_traceparent(*field);
  }
  continued_ = given.has_value();
  parent_.reserve(traceparent_size);
  parent_ = "00-";
  if (given) {
    parent_ += given->trace_id;
  } else {
    append_new_id(parent_, random, trace_id_bytes);
  }
  parent_ += '-';
  append_new_id(parent_, random, parent_id_bytes);
  // A trace that begins here is recorded, by the line in the access log; and servers whose tracing goes by
  // their parent's word would else record nothing.
  parent_ += !given || given->sampled ? "-01" : "-00";
}

}  // namespace hangup::proxy
