#include <spdlog/logger.h>

#include <algorithm>
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

// Each wakes the thread that writes.
constexpr std::size_t batch_bytes = 64 * 1024;

// Writes one line where there is room for all of it: no bounds to check, and none of them moves what was
// written.
class Line {
 public:
  explicit Line(char* at) : at_(at) {}
  char* end() const { return at_; }

  void text(std::string_view text) { at_ = std::copy_n(text.data(), text.size(), at_); }
  template <std::integral Number>
  void number(Number number) {
    at_ = std::to_chars(at_, at_ + 20, number).ptr;
  }
  void three_digits(unsigned number) {
    *at_++ = static_cast<char>('0' + number / 100 % 10);
    *at_++ = static_cast<char>('0' + number / 10 % 10);
    *at_++ = static_cast<char>('0' + number % 10);
  }
  // The inside of a string.
  void escaped(std::string_view value) {
    if (plain_json_prefix(value) == value.size()) return text(value);
    std::string rewritten;
    append_json_escaped(rewritten, value);
    text(rewritten);
  }
  void string(std::string_view value) {
    *at_++ = '"';
    escaped(value);
    *at_++ = '"';
  }
  void string_or_null(std::string_view value) {
    if (value.empty()) return text("null");
    string(value);
  }
  // RFC 3339.
  void time(WallTime time, SecondText& seconds) {
    using namespace std::chrono;
    text(seconds.at(time).substr(0, std::string_view("2026-03-01T08:15:30").size()));
    text(".");
    three_digits(
        static_cast<unsigned>((floor<milliseconds>(time) - floor<std::chrono::seconds>(time)).count()));
    text("Z");
  }
  // Milliseconds with the microseconds as decimals.
  void ms(const std::optional<Duration>& duration) {
    if (!duration) return text("null");
    const auto us =
        std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(*duration).count(), 0);
    number(us / 1000);
    text(".");
    three_digits(static_cast<unsigned>(us % 1000));
  }
  void address(std::string_view ip, std::uint16_t port) {
    const bool v6 = ip.find(':') != std::string_view::npos;
    text(v6 ? "\"[" : "\"");
    escaped(ip);
    if (v6) text("]");
    if (port != 0) {
      text(":");
      number(port);
    }
    text("\"");
  }
  void tried(std::span<const std::string_view> servers) {
    if (servers.empty()) return text("null");
    char separator = '[';
    for (const std::string_view server : servers) {
      *at_++ = separator;
      string(server);
      separator = ',';
    }
    text("]");
  }
  void cleanup(const AccessRecord& record) {
    if (record.cleanup_ids.empty() && record.cleanup_skipped.empty()) return text("null");
    if (record.cleanup_ids.empty()) return skipped(record.cleanup_skipped);
    char separator = '[';
    for (const std::string& id : record.cleanup_ids) {
      *at_++ = separator;
      string(id);
      separator = ',';
    }
    if (!record.cleanup_skipped.empty()) {
      text(",");
      skipped(record.cleanup_skipped);
    }
    text("]");
  }

 private:
  void skipped(std::string_view reason) {
    text("\"skipped: ");
    escaped(reason);
    text("\"");
  }

  char* at_;
};

// An upper bound: each byte of a string may become "\u00XX".
std::size_t room_for(const AccessRecord& record) {
  constexpr std::size_t names_and_numbers = 1024;
  std::size_t strings = 0;
  for (const std::string_view each :
       {record.request_id, record.trace_id, record.client_ip, record.peer_ip, record.user, record.tls_version,
        record.tls_cipher, record.method, record.host, record.path, record.route, record.upstream,
        record.cleanup_skipped, record.error})
    strings += each.size();
  for (const std::string& id : record.cleanup_ids) strings += id.size() + 3;
  for (const std::string_view server : record.tried) strings += server.size() + 3;
  return names_and_numbers + 6 * strings;
}

char* write_json(char* at, const AccessRecord& record, SecondText& seconds) {
  Line line(at);
  line.text(R"({"time":")");
  line.time(record.start, seconds);
  line.text(R"(","type":"exchange","request_id":)");
  line.string(record.request_id);
  line.text(R"(,"trace_id":)");
  line.string_or_null(record.trace_id);
  line.text(R"(,"client":)");
  line.address(record.client_ip, record.client_port);
  line.text(R"(,"peer":)");
  if (record.peer_ip.empty()) {
    line.text("null");
  } else {
    line.address(record.peer_ip, record.peer_port);
  }
  line.text(R"(,"user":)");
  line.string_or_null(record.user);
  line.text(R"(,"tls_version":)");
  line.string_or_null(record.tls_version);
  line.text(R"(,"tls_cipher":)");
  line.string_or_null(record.tls_cipher);
  line.text(R"(,"method":)");
  line.string_or_null(record.method);
  line.text(R"(,"host":)");
  line.string_or_null(record.host);
  line.text(R"(,"path":)");
  line.string_or_null(record.path);
  line.text(R"(,"route":)");
  line.string_or_null(record.route);
  line.text(R"(,"status":)");
  line.number(record.status);
  line.text(R"(,"outcome":")");
  line.text(to_string(record.outcome));
  line.text(R"(","phase":")");
  line.text(to_string(record.phase));
  line.text(R"(","bytes_in":)");
  line.number(record.bytes_in);
  line.text(R"(,"bytes_out":)");
  line.number(record.bytes_out);
  line.text(R"(,"duration_ms":)");
  line.ms(record.duration);
  line.text(R"(,"ttfb_ms":)");
  line.ms(record.first_byte);
  line.text(R"(,"upstream":)");
  line.string_or_null(record.upstream);
  line.text(R"(,"tried":)");
  line.tried(record.tried);
  line.text(R"(,"upstream_ms":)");
  line.ms(record.upstream_duration);
  line.text(R"(,"abort_us":)");
  if (record.abort) {
    line.number(std::chrono::duration_cast<std::chrono::microseconds>(*record.abort).count());
  } else {
    line.text("null");
  }
  line.text(R"(,"cleanup":)");
  line.cleanup(record);
  if (!record.error.empty()) {
    line.text(R"(,"error":)");
    line.string(record.error);
  }
  line.text("}\n");
  return line.end();
}

}  // namespace

void append_json(std::string& out, const AccessRecord& record, SecondText& seconds) {
  const std::size_t before = out.size();
  out.resize_and_overwrite(before + room_for(record), [&](char* text, std::size_t) {
    return static_cast<std::size_t>(write_json(text + before, record, seconds) - text);
  });
}

AccessLog::AccessLog(std::shared_ptr<spdlog::logger> logger, const config::AccessLog& config)
    : logger_(std::move(logger)) {
  use(config);
}

void AccessLog::use(const config::AccessLog& config) {
  flush();  // to where lines like those go
  line_ = config.line;
  sample_ = config.sample;
  all_json_ = !line_ && sample_ >= 1;
}

AccessLog::~AccessLog() {
  flush();
}

void AccessLog::write(const AccessRecord& record) {
  if (!logger_ || !logger_->should_log(spdlog::level::info)) return;
  if (all_json_) {
    append_json(buffer_, record, seconds_);
  } else if (!write_line(record)) {
    return;
  }
  if (buffer_.size() >= batch_bytes) flush();
}

// False when it is sampled away.
bool AccessLog::write_line(const AccessRecord& record) {
  if (record.outcome == Outcome::completed && !is_sampled(record.request_id, sample_)) return false;
  if (line_) {
    append_line(buffer_, *line_, record);
  } else {
    append_json(buffer_, record, seconds_);
  }
  return true;
}

void AccessLog::flush() {
  if (buffer_.empty()) return;
  logger_->log(spdlog::level::info, spdlog::string_view_t(buffer_.data(), buffer_.size()));
  buffer_.clear();
}

}  // namespace hangup::observe
