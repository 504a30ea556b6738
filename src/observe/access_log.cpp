#include <spdlog/logger.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <hangup/base/text.h>
#include <hangup/observe/access_log.h>

namespace hangup::observe {
namespace {

constexpr std::size_t batch_bytes = 16 * 1024;

template <std::integral Number>
void append_number(std::string& out, Number number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

// `number` in at least `width` digits.
void append_padded(std::string& out, unsigned number, unsigned width) {
  std::array<char, 10> digits;
  std::size_t first = digits.size();
  for (; number != 0 || width != 0; number /= 10) {
    digits[--first] = static_cast<char>('0' + number % 10);
    if (width != 0) --width;
  }
  out.append(digits.data() + first, digits.size() - first);
}

void append_rfc3339(std::string& out, WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<milliseconds>(time) - day);
  append_padded(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_padded(out, static_cast<unsigned>(clock.hours().count()), 2);
  out += ':';
  append_padded(out, static_cast<unsigned>(clock.minutes().count()), 2);
  out += ':';
  append_padded(out, static_cast<unsigned>(clock.seconds().count()), 2);
  out += '.';
  append_padded(out, static_cast<unsigned>(clock.subseconds().count()), 3);
  out += 'Z';
}

// Milliseconds with the microseconds as decimals.
void append_ms(std::string& out, Duration duration) {
  const auto us =
      std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count(), 0);
  append_number(out, us / 1000);
  out += '.';
  append_padded(out, static_cast<unsigned>(us % 1000), 3);
}

void append_ms(std::string& out, const std::optional<Duration>& duration) {
  if (duration) {
    append_ms(out, *duration);
  } else {
    out += "null";
  }
}

void append_string(std::string& out, std::string_view value) {
  out += '"';
  append_json_escaped(out, value);
  out += '"';
}

void append_string_or_null(std::string& out, std::string_view value) {
  if (value.empty()) {
    out += "null";
  } else {
    append_string(out, value);
  }
}

void append_address(std::string& out, std::string_view ip, std::uint16_t port) {
  const bool v6 = ip.find(':') != std::string_view::npos;
  out += v6 ? "\"[" : "\"";
  append_json_escaped(out, ip);
  if (v6) out += ']';
  if (port != 0) {
    out += ':';
    append_number(out, port);
  }
  out += '"';
}

void append_cleanup(std::string& out, const AccessRecord& record) {
  const auto append_skipped = [&] {
    out += "\"skipped: ";
    append_json_escaped(out, record.cleanup_skipped);
    out += '"';
  };
  if (!record.cleanup_ids.empty()) {
    char separator = '[';
    for (const std::string& id : record.cleanup_ids) {
      out += separator;
      append_string(out, id);
      separator = ',';
    }
    if (!record.cleanup_skipped.empty()) {
      out += ',';
      append_skipped();
    }
    out += ']';
  } else if (!record.cleanup_skipped.empty()) {
    append_skipped();
  } else {
    out += "null";
  }
}

}  // namespace

void append_json(std::string& out, const AccessRecord& record) {
  out += R"({"time":")";
  append_rfc3339(out, record.start);
  out += R"(","type":"exchange","request_id":)";
  append_string(out, record.request_id);
  out += R"(,"client":)";
  append_address(out, record.client_ip, record.client_port);
  out += R"(,"peer":)";
  if (record.peer_ip.empty()) {
    out += "null";
  } else {
    append_address(out, record.peer_ip, record.peer_port);
  }
  out += R"(,"user":)";
  append_string_or_null(out, record.user);
  out += R"(,"tls_version":)";
  append_string_or_null(out, record.tls_version);
  out += R"(,"tls_cipher":)";
  append_string_or_null(out, record.tls_cipher);
  out += R"(,"method":)";
  append_string_or_null(out, record.method);
  out += R"(,"host":)";
  append_string_or_null(out, record.host);
  out += R"(,"path":)";
  append_string_or_null(out, record.path);
  out += R"(,"route":)";
  append_string_or_null(out, record.route);
  out += R"(,"status":)";
  append_number(out, record.status);
  out += R"(,"outcome":")";
  out += to_string(record.outcome);
  out += R"(","phase":")";
  out += to_string(record.phase);
  out += R"(","bytes_in":)";
  append_number(out, record.bytes_in);
  out += R"(,"bytes_out":)";
  append_number(out, record.bytes_out);
  out += R"(,"duration_ms":)";
  append_ms(out, record.duration);
  out += R"(,"ttfb_ms":)";
  append_ms(out, record.first_byte);
  out += R"(,"upstream":)";
  append_string_or_null(out, record.upstream);
  out += R"(,"upstream_ms":)";
  append_ms(out, record.upstream_duration);
  out += R"(,"abort_us":)";
  if (record.abort) {
    append_number(out, std::chrono::duration_cast<std::chrono::microseconds>(*record.abort).count());
  } else {
    out += "null";
  }
  out += R"(,"cleanup":)";
  append_cleanup(out, record);
  if (!record.error.empty()) {
    out += R"(,"error":)";
    append_string(out, record.error);
  }
  out += "}\n";
}

AccessLog::AccessLog(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}

AccessLog::~AccessLog() {
  flush();
}

void AccessLog::write(const AccessRecord& record) {
  if (!logger_) return;
  append_json(buffer_, record);
  if (buffer_.size() >= batch_bytes) flush();
}

void AccessLog::flush() {
  if (buffer_.empty()) return;
  logger_->log(spdlog::level::info, spdlog::string_view_t(buffer_.data(), buffer_.size()));
  buffer_.clear();
}

}  // namespace hangup::observe
