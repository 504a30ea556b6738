// The access log: one line per exchange and, where lines are JSON, per end of a delivery attempt.
#pragma once

#include <spdlog/fwd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/base/outcome.h>
#include <hangup/base/utc.h>
#include <hangup/config/config.h>
#include <hangup/http/message.h>

namespace hangup::observe {

// What is said about one exchange. Views are needed until AccessLog::write returns. Never an Authorization or
// Cookie value.
struct AccessRecord {
  WallTime start;
  std::string_view request_id;
  std::string_view trace_id;   // of the trace that it belongs to; "" without one
  std::string_view client_ip;  // "unix" for a UNIX socket
  std::uint16_t client_port = 0;
  std::string_view peer_ip;  // of the proxy in between; "" when the client itself is connected
  std::uint16_t peer_port = 0;
  std::string_view user;         // the name of the client's token; "" without one
  std::string_view tls_version;  // "TLSv1.3"; "" for plain text, as is the cipher
  std::string_view tls_cipher;
  std::string_view method;  // "" when the request was not understood
  std::string_view host;
  std::string_view path;   // without the query
  std::string_view route;  // "" when none matched
  int status = 0;          // what the client got; 499 for a client gone before a head; 0 never
  Outcome outcome = Outcome::completed;
  Phase phase = Phase::reading_request;
  std::uint64_t bytes_in = 0;   // request body as received from the client
  std::uint64_t bytes_out = 0;  // response body handed to the client's socket
  Duration duration{};
  std::optional<Duration> first_byte;          // from the start to the response head being sent to the client
  std::string_view upstream;                   // server's url; "" when none was chosen
  std::span<const std::string_view> tried;     // the servers before it, in their order
  std::optional<Duration> upstream_duration;   // from the choice of the server to the end of its part
  std::optional<Duration> abort;               // from the sign of the disconnect to the upstream being closed
  std::span<const std::string> cleanup_ids;    // of its deliveries
  std::string_view cleanup_skipped;            // why a cleanup that was owed is not called; "" if all are
  const http::RequestHead* request = nullptr;  // for lines that name its headers; null if there is none
  std::string_view error;  // what went wrong, for every outcome but completed and client_gone
};

// Formats records and hands them, many at a time as one message, to an asynchronous logger.
// Threading: one AccessLog belongs to one thread; the logger behind is shared.
class AccessLog {
 public:
  // A null logger, or one whose level is off: write() does nothing. `config` says how lines are written, and
  // which.
  explicit AccessLog(std::shared_ptr<spdlog::logger> logger, const config::AccessLog& config = {});
  ~AccessLog();  // flushes
  // From now on lines are written as this says.
  void use(const config::AccessLog& config);
  void write(const AccessRecord& record);
  // Hands over what was written. write() does so by itself when much has come together.
  void flush();
  // Something was written and not handed over.
  bool pending() const { return !buffer_.empty(); }

 private:
  bool write_line(const AccessRecord& record);

  std::shared_ptr<spdlog::logger> logger_;
  std::optional<config::LogLine> line_;
  double sample_ = 1;
  bool all_json_ = true;
  std::string buffer_;
  SecondText seconds_{&utc_seconds};
};

// Whether the line of a completed exchange is among that share. The same for all lines of a request id.
bool is_sampled(std::string_view request_id, double share);

// Appends the record as the line says, and a newline. A value's `"`, `\` and all bytes but printable ASCII
// become `\xXX`, and its blanks too where it does not stand between quotes: no client can forge a line, or a
// field of one.
void append_line(std::string& out, const config::LogLine& line, const AccessRecord& record);

// Appends the record as one JSON object and a newline. Valid JSON whatever the bytes. Always the same fields
// in the same order, null where there is no value; only `error` is left out when there is none:
//   time type=exchange request_id trace_id client peer user tls_version tls_cipher method host path route
//   status outcome phase bytes_in bytes_out duration_ms ttfb_ms upstream tried (["url"...]) upstream_ms
//   abort_us cleanup (["delivery id"...] or "skipped: reason", which is the last of the list where some are
//   called and some skipped) error
// `seconds` writes utc_seconds().
void append_json(std::string& out, const AccessRecord& record, SecondText& seconds);

// Where they write to, which reopen() changes.
struct Outlets;

// The process's loggers. All are asynchronous, both logs with a thread and a bounded queue of their own: they
// never block who logs. When the queue is full, the log for people drops its oldest messages, and the access
// log drops new ones, counts their lines, as those that can't be written, and says in the other log how many,
// at most once a second. What was logged is written at once. When the last reference goes, that waits until
// all that is in a queue is written, but no more than 2 s for one that nobody reads.
// Threading: any thread may log.
struct Loggers {
  std::shared_ptr<spdlog::logger>
      access;  // its level is off if it is; writes messages as they are: each brings its own line ends
  // The access log for lines that are JSON in any case; its level is off where the others are not.
  std::shared_ptr<spdlog::logger> attempts;
  std::shared_ptr<spdlog::logger> log;  // for people; adds time, level and line end
  std::shared_ptr<const std::atomic<std::uint64_t>> access_lines_dropped;  // never null
  std::shared_ptr<const Outlets> outlets;
};
// Opens them. The error names the file and why it can't be written.
Result<Loggers> open_loggers(const config::AccessLog& access_log, const config::Log& log);
// Opens what another configuration says, or the same files again, which log rotation has renamed. What is
// returned has the loggers write to those, without waiting for what is being written: no line is lost,
// doubled or cut in two, and whoever holds a logger goes on with it.
Result<std::function<void()>> reopen(const Loggers& loggers, const config::AccessLog& access_log,
                                     const config::Log& log);
void set_levels(const Loggers& loggers, const config::AccessLog& access_log, const config::Log& log);

}  // namespace hangup::observe
