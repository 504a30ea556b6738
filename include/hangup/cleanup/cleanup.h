// Cleanups: what is owed for an exchange that was cut, and how it gets to its receiver.
//
// The way of one: an exchange ends -> render() makes a Delivery of it on the worker's thread -> Outbox::add()
// takes it over (any thread, never waits) -> the Dispatcher, on a thread of its own, sends it until it is
// acknowledged or given up.
#pragma once

#include <spdlog/fwd.h>

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/base/outcome.h>
#include <hangup/config/config.h>

namespace hangup::cleanup {

// One cleanup on its way, with nothing left to look up: a value that can be stored.
struct Delivery {
  std::string id;          // webhook-id: stable over attempts, the receiver removes duplicates by it
  std::string cleanup;     // name in the configuration
  std::string request_id;  // of the exchange: hangup's own, which is no other's
  std::string given_id;    // {request.id} where that is another one, which a trusted proxy gave; else ""
  // What logs and commands show.
  const std::string& shown_id() const { return given_id.empty() ? request_id : given_id; }
  unsigned turn = 0;  // among the exchange's: one waits until all of lower turns have ended
  std::string method;
  std::string url;     // absolute, http or https
  std::string socket;  // path of the UNIX socket to connect to; "" for what the URL names
  // Of a delivery to an upstream's https server, else "": the upstream, whose TLS settings count where the
  // cleanup has none, and what the server's certificate has to be for.
  std::string upstream = {};
  std::string server_name = {};
  // webhook-id, webhook-timestamp (set afresh for each attempt) and Content-Type among them. Framing,
  // Connection, and Host where it is not given, are the sender's.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Duration timeout{};  // of one attempt
  config::Retry retry;
  std::vector<int> ok_status;
  WallTime created{};
  Duration delay{};                      // from `created` to the first attempt
  std::optional<Duration> expire_after;  // from `created`; no attempt starts after it
  // The cleanup has a signing key. Keys and TLS options are no part of this: they are looked up by the name
  // of the cleanup for each attempt, so that no secret is stored and a rotation counts at once.
  bool is_signed = false;
  // No byte of an attempt is sent after this: set by the dispatcher, for the life of the process.
  std::optional<MonoTime> not_after = {};
};

// A server that a delivery can go to.
struct ServerAt {
  const config::Server* server = nullptr;
  // Of one that has a name, what that was looked up to. Null where it is not known: the name is looked up for
  // each attempt.
  const SocketAddress* address = nullptr;
};

// Fills in the templates. The error says why this cleanup can't be called for this exchange: it is then
// `skipped`. `id` is the webhook-id. Any thread.
//
// The body is by default a CloudEvents 1.0 event: id is the webhook-id, source "/hangup/routes/<route>", type
// "dev.hangup.exchange.<outcome>", subject {request.id}, and data has that as request_id, outcome, phase,
// route, method, host, path, query, client, upstream and status, each where it has a value. Content-Type,
// User-Agent and, of an exchange with a trace, traceparent are defaults; a configured header that would
// contradict the framing or the delivery's identity is left out.
//
// Unless the cleanup has a URL, the delivery goes to `to`, which may be null otherwise.
std::expected<Delivery, std::string> render(const config::Cleanup& cleanup, ServerAt to,
                                            const config::VariableSource& source, std::string id,
                                            std::string request_id, WallTime now);

// What an exchange owes.
struct Owed {
  std::vector<Delivery> deliveries;
  std::string skipped;                        // why some cleanups can't be called; "" if all can
  std::vector<std::size_t> skipped_cleanups;  // which of the route's
};

// Renders all cleanups of the route, in their order; `had_it` had the request, null if none. Any thread.
//
// `addresses` are those of the upstream's servers, in their order, or empty where they are not known: a
// server that has a name with several of them is several, since each may have work to stop.
//
// `request_id` is hangup's own: {request.id} may be a trusted proxy's, which can give it to several requests.
// Webhook-ids follow from the request id ("<request id>-0" for the route's first cleanup, "<request id>-0-1"
// for the second server of one that goes to every server, "<request id>-0-1-1" for the second address of its
// name): whoever renders what an exchange owes once more, after a crash, gets the same ids, and receivers and
// the outbox see that they have it already. Anything but letters, digits, `-`, `_` and `~` of the request id
// is percent-encoded in them.
Owed render_all(const config::Route& route, ServerAt had_it, const config::VariableSource& source,
                std::string_view request_id, WallTime now, std::span<const AddressList> addresses = {});

// What became of deliveries so far. Values of one moment.
struct Counts {
  std::uint64_t added = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dead = 0;
  std::uint64_t attempts = 0;
  std::uint64_t pending() const { return added - delivered - dead; }
};

// The same of one cleanup, since the process began.
struct CleanupCounts {
  std::uint64_t owed = 0;       // deliveries added
  std::uint64_t delivered = 0;  // acknowledged
  std::uint64_t retried = 0;    // attempts that failed and are followed by another
  std::uint64_t dead = 0;       // given up
  std::uint64_t expired = 0;    // of the dead: for being too late
};

class InFlightJournal;
class Credentials;

// Where deliveries are kept until they are acknowledged or dead. Any thread.
class Outbox {
 public:
  virtual ~Outbox() = default;
  // Takes over the deliveries of one exchange, all of them or, when the process dies, none. When it returns
  // they survive a crash of the process, if the outbox is durable. Never waits for I/O or for a receiver.
  virtual void add(std::vector<Delivery> deliveries) = 0;
  virtual Counts counts() const = 0;
  // By the names of cleanups; of those that something became of.
  virtual std::map<std::string, CleanupCounts> counts_by_cleanup() const { return {}; }
  // When the delivery was owed that has been pending longest; nullopt when none is.
  virtual std::optional<WallTime> oldest_pending() const { return std::nullopt; }
  // Whether what it holds is in the file of the configuration. As it was opened: a reload changes nothing.
  virtual bool in_file() const { return false; }
  // What is wrong with the store, for people; "" if nothing.
  virtual std::string trouble() const { return {}; }
  // Waits until nothing is pending, or for `patience`. True when nothing is pending.
  virtual bool drain(Duration patience) = 0;
  // Attempts from now on use these credentials, over connections of their own.
  virtual void use(std::shared_ptr<const Credentials> credentials) = 0;
  // A journal for one more worker; null when the configuration wants none. To be destroyed before the outbox.
  virtual std::unique_ptr<InFlightJournal> make_journal() { return nullptr; }
};

// What is noted of an exchange in flight, so that its cleanups can be rendered and its log line written if
// hangup dies: the values of the variables that the route's cleanups name, and of those that the log line and
// the CloudEvents event have. Made once for a route. Any thread.
class SnapshotPlan {
 public:
  explicit SnapshotPlan(const config::Route& route);
  // The route has cleanups that a crash calls; without, nothing is to be noted.
  bool wanted() const { return wanted_; }
  // Values that only the response has are among them: worth a new snapshot when its head, or a field of its
  // body, has come. The same for fields of the request's JSON body.
  bool names_response() const { return names_response_; }
  bool names_request_json() const { return names_request_json_; }
  // Appends a snapshot to `out`. `request_id` is hangup's own. `source` is asked for each variable; those
  // without a value are left out. `address` is as in ServerAt.
  void append(std::string& out, const config::VariableSource& source, std::string_view request_id,
              WallTime started, const SocketAddress* address = nullptr) const;

 private:
  std::string route_;
  std::string match_;  // of a route without a name of its own
  std::vector<config::VariableRef> variables_;
  std::vector<std::string> names_;  // of the variables, as templates write them
  bool wanted_ = false;
  bool names_response_ = false;
  bool names_request_json_ = false;
};

// Where one worker notes which exchanges are in flight, so that a crash leaves none without its cleanup.
// Threading: belongs to its worker's thread.
class InFlightJournal {
 public:
  using Entry = std::uint64_t;
  static constexpr Entry none = 0;
  virtual ~InFlightJournal() = default;
  // Notes an exchange before its first byte goes to a server; `snapshot` is what SnapshotPlan made of it.
  // `none` when that is not possible now: every other function does nothing for it.
  virtual Entry enter(std::string_view snapshot) = 0;
  // More is known of it. `none` when what was noted so far had to be given up.
  virtual Entry replace(Entry entry, std::string_view snapshot) = 0;
  virtual void set_phase(Entry entry, Phase phase) = 0;
  // Its response is whole and about to be handed to the kernel: from here on a crash cuts nothing. Taken back
  // when the kernel does not take all of it.
  virtual void set_finishing(Entry entry, bool finishing) = 0;
  // It has ended, and what it owes is in the outbox.
  virtual void leave(Entry entry) = 0;
};

// What the configuration says of the cleanups that is not stored with their deliveries: signing keys, TLS
// contexts, and where they may connect to. Immutable; any thread.
// Reads the files that it names. The error names the cleanup or upstream, the file and what is wrong with it.
// A cleanup that only the configuration `before` had, null for none, is called as it was then: some may be
// owed, and exchanges in flight may come to owe some.
Result<std::shared_ptr<const Credentials>> load_credentials(
    const config::Config& config, const std::shared_ptr<const Credentials>& before = nullptr);

// How one attempt at a delivery ended.
struct Tried {
  int status = 0;     // 0: no response
  std::string error;  // why there is none
  Duration took{};
  bool acknowledged = false;
};
// Sends a delivery once and waits for what comes of it. No outbox knows of it.
Tried try_once(const Delivery& delivery, std::shared_ptr<const Credentials> credentials);

// The outbox in memory and its dispatcher: sends what is added, with retries, backoff and full jitter, from a
// thread of its own. Bounded: beyond `capacity` pending deliveries a new one is a dead letter at once, and
// logged as one. Each attempt's end is one line of the access log; a delivery's last one says how it ended.
class MemoryOutbox final : public Outbox {
 public:
  struct Options {
    std::size_t capacity = 100'000;
    std::size_t concurrency = 64;  // attempts under way to one receiver
  };
  // Starts the thread. `access_log`, which may be null, gets one line per attempt's end (JSON, with its line
  // end, as the access log writes them), `log` a warning for each dead letter.
  MemoryOutbox(Options options, std::shared_ptr<const Credentials> credentials,
               std::shared_ptr<spdlog::logger> access_log, std::shared_ptr<spdlog::logger> log);
  ~MemoryOutbox() override;  // stops the thread; what is still pending is logged, each by its id, and lost

  void add(std::vector<Delivery> deliveries) override;
  Counts counts() const override;
  std::map<std::string, CleanupCounts> counts_by_cleanup() const override;
  std::optional<WallTime> oldest_pending() const override;
  bool drain(Duration patience) override;
  void use(std::shared_ptr<const Credentials> credentials) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hangup::cleanup
