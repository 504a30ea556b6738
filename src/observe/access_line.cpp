// Lines of the access log in the configuration's own format.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <variant>

#include <hangup/base/hash.h>
#include <hangup/base/utc.h>
#include <hangup/observe/access_log.h>

namespace hangup::observe {
namespace {

using config::LogLine, config::LogVariable;

void append_escaped(std::string& out, std::string_view value, bool quoted) {
  static constexpr char hex[] = "0123456789ABCDEF";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte > 0x20 && byte < 0x7f && c != '"' && c != '\\';
    if (plain || (c == ' ' && quoted)) {
      out += c;
    } else {
      out.append("\\x").append(1, hex[byte >> 4]).append(1, hex[byte & 0xf]);
    }
  }
}

std::string_view ms_text(const std::optional<Duration>& duration, std::string& scratch) {
  if (!duration) return {};
  const auto us =
      std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(*duration).count(), 0);
  scratch = fmt::format("{}.{:03}", us / 1000, us % 1000);
  return scratch;
}

template <typename Number>
std::string_view number_text(Number number, std::string& scratch) {
  scratch = std::to_string(number);
  return scratch;
}

std::string_view request_line(const AccessRecord& record, std::string& scratch) {
  if (record.method.empty()) return {};
  scratch.assign(record.method).append(" ").append(record.path);
  if (record.request != nullptr)
    scratch.append(record.request->version == http::Version::http11 ? " HTTP/1.1" : " HTTP/1.0");
  return scratch;
}

template <typename Texts>
std::string_view joined(const Texts& texts, std::string& scratch) {
  scratch.clear();
  for (const std::string_view text : texts) scratch.append(scratch.empty() ? "" : ",").append(text);
  return scratch;
}

std::string_view cleanup_text(const AccessRecord& record, std::string& scratch) {
  joined(record.cleanup_ids, scratch);
  if (!record.cleanup_skipped.empty())
    scratch.append(scratch.empty() ? "" : ",").append("skipped: ").append(record.cleanup_skipped);
  return scratch;
}

// Empty for none.
std::string_view value_of(const LogLine::Value& value, const AccessRecord& record, std::string& scratch) {
  switch (value.variable) {
    case LogVariable::time:
      return scratch = utc_milliseconds(record.start);
    case LogVariable::time_local:
      return scratch = fmt::format("{:%d/%b/%Y:%H:%M:%S} +0000",
                                   fmt::gmtime(std::chrono::system_clock::to_time_t(record.start)));
    case LogVariable::request_id:
      return record.request_id;
    case LogVariable::trace_id:
      return record.trace_id;
    case LogVariable::client_ip:
      return record.client_ip;
    case LogVariable::client_port:
      return record.client_port == 0 ? std::string_view() : number_text(record.client_port, scratch);
    case LogVariable::peer_ip:
      return record.peer_ip;
    case LogVariable::auth_name:
      return record.user;
    case LogVariable::tls_version:
      return record.tls_version;
    case LogVariable::tls_cipher:
      return record.tls_cipher;
    case LogVariable::request_line:
      return request_line(record, scratch);
    case LogVariable::request_method:
      return record.method;
    case LogVariable::request_host:
      return record.host;
    case LogVariable::request_path:
      return record.path;
    case LogVariable::request_header:
      return record.request == nullptr ? std::string_view()
                                       : record.request->fields.find(value.name).value_or("");
    case LogVariable::route:
      return record.route;
    case LogVariable::status:
      return number_text(record.status, scratch);
    case LogVariable::outcome:
      return to_string(record.outcome);
    case LogVariable::phase:
      return to_string(record.phase);
    case LogVariable::bytes_in:
      return number_text(record.bytes_in, scratch);
    case LogVariable::bytes_out:
      return number_text(record.bytes_out, scratch);
    case LogVariable::duration_ms:
      return ms_text(record.duration, scratch);
    case LogVariable::ttfb_ms:
      return ms_text(record.first_byte, scratch);
    case LogVariable::upstream_server:
      return record.upstream;
    case LogVariable::tried:
      return joined(record.tried, scratch);
    case LogVariable::upstream_ms:
      return ms_text(record.upstream_duration, scratch);
    case LogVariable::abort_us:
      if (!record.abort) return {};
      return number_text(std::chrono::duration_cast<std::chrono::microseconds>(*record.abort).count(),
                         scratch);
    case LogVariable::cleanup:
      return cleanup_text(record, scratch);
    case LogVariable::error:
      return record.error;
  }
  return {};
}

}  // namespace

void append_line(std::string& out, const LogLine& line, const AccessRecord& record) {
  std::string scratch;
  for (const LogLine::Segment& segment : line.segments()) {
    if (const auto* literal = std::get_if<std::string>(&segment)) {
      out += *literal;
      continue;
    }
    const auto& value = std::get<LogLine::Value>(segment);
    const std::string_view text = value_of(value, record, scratch);
    if (text.empty()) {
      out += value.fallback;
    } else {
      append_escaped(out, text, value.quoted || value.variable == LogVariable::time_local);
    }
  }
  out += '\n';
}

bool is_sampled(std::string_view request_id, double share) {
  std::uint64_t hash = fnv1a(request_id);
  hash = (hash ^ (hash >> 33U)) * 0xff51afd7ed558ccdU;
  hash ^= hash >> 33U;
  return static_cast<double>(hash >> 11U) * 0x1p-53 < share;
}

}  // namespace hangup::observe
