// The configuration, read and checked: immutable, typed, with every default filled in and every name
// resolved. Shared by all threads as a shared_ptr<const Config>.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hangup/base/address.h>
#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/base/network.h>
#include <hangup/base/outcome.h>
#include <hangup/base/units.h>
#include <hangup/config/log_line.h>
#include <hangup/config/template.h>
#include <hangup/config/tokens.h>
#include <hangup/config/upstream_care.h>
#include <hangup/http/message.h>

namespace hangup::config {

using std::chrono::hours, std::chrono::minutes, std::chrono::seconds, std::chrono::milliseconds;

// A place in the file, counted from 1.
struct Position {
  int line = 0;
  int column = 0;
};

// One thing wrong with the file: what, what was expected, what to do.
struct Problem {
  Position position;
  std::string message;
};

// How a listener speaks TLS. Files are PEM.
struct ServerTls {
  struct Certificate {
    std::filesystem::path certificate;  // with its chain
    std::filesystem::path key;
  };
  std::vector<Certificate> certificates;  // at least one; chosen by SNI, the first for every other name
  std::filesystem::path client_ca;        // empty: clients are not asked for certificates
  bool client_certificates_required = true;
  std::string client_subject_header;        // the verified subject goes upstream in it; empty for none
  bool only_tls13 = false;                  // min_version: "1.3"
  bool allow_insecure_permissions = false;  // of the keys: secrets.allow_insecure_permissions
};

struct Listener {
  std::string name;               // unique; the address where the file gives none
  SocketAddress address;          // empty for `inherited`
  std::string inherited;          // `fd:NAME`: the name of a socket that systemd passes; empty for an address
  Position position;              // of the address
  Networks trusted_proxies;       // peers that are believed about who their clients are
  bool proxy_protocol = false;    // connections begin with a PROXY header, and come from trusted proxies only
  bool trust_request_id = false;  // X-Request-Id of trusted proxies is the request's id
  // What becomes of W3C trace contexts: a client's is continued, or each request starts one, or they are
  // headers as any other.
  enum class Trace : std::uint8_t { continued, start, off } trace = Trace::continued;
  std::optional<ServerTls> tls;        // nullopt: plain text
  Duration dead_peer = seconds(30);    // a client that answers nothing at TCP level this long is gone
  http::HeadLimits head;               // limits.header_bytes, limits.headers
  Bytes body_bytes{16 * 1024 * 1024};  // limits.body_bytes: a longer request body is answered with 413
  // limits.connections, limits.when_full, limits.connections_per_client.
  struct Connections {
    std::size_t max = 20'000;  // open at once, over all workers
    enum class WhenFull : std::uint8_t {
      wait,    // in the kernel's queue, until one closes
      reject,  // answered with 503
    } when_full = WhenFull::wait;
    std::size_t per_client = 0;  // from one address, or IPv6 /64: beyond it 503; 0 for no such limit
  } connections;
  struct Timeouts {
    Duration handshake = seconds(10);   // for the PROXY header and TLS's handshake together; absolute
    Duration idle = seconds(75);        // between requests of a connection
    Duration header = seconds(10);      // from a request's first byte to its head being whole; absolute
    Duration body_idle = seconds(30);   // between two bytes of a request body
    Duration write_idle = seconds(60);  // with the client taking nothing of a response that waits for it
  } timeouts;

  // As the file has it: "0.0.0.0:8080", "unix:/run/x.sock", "fd:http".
  std::string where() const { return inherited.empty() ? address.to_string() : "fd:" + inherited; }
};

// Where requests for a server go.
struct Server {
  std::string url;        // as written, "http://127.0.0.1:9000" or "unix:/run/app.sock"; its name in the log
  SocketAddress address;  // empty with a `name`
  std::string authority;  // "127.0.0.1:9000": the Host value when the upstream says `host: server`
  bool https = false;
  std::string tls_name = {};  // for https: what its certificate has to be for, and SNI where that is a name
  std::string upstream = {};  // the name of its upstream
  unsigned weight = 1;        // its share, beside that of the others; 0: it gets no new requests
  // To be looked up while hangup runs; nullopt for an address, for localhost and with `resolve: off`, which
  // is looked up when the configuration is read.
  std::optional<Name> name = {};

  bool operator==(const Server&) const = default;
};

// How hangup verifies a server, and shows who it is, where it is the TLS client. Files; empty for none.
struct ClientTls {
  std::filesystem::path ca;  // PEM; empty: the system's
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::string server_name;                  // to send as SNI and to verify; empty: the URL's host
  bool allow_insecure_permissions = false;  // of the key: secrets.allow_insecure_permissions

  bool operator==(const ClientTls&) const = default;
};

enum class Balance : std::uint8_t { round_robin, least_requests, random_two, hash };

// When a request that failed goes to another server, which none does twice.
struct Retries {
  unsigned attempts = 2;  // further servers, for one exchange
  bool connect = true;    // the server can't be connected to
  // The server closed the connection before a byte of its answer. Only for what may be sent twice: an
  // idempotent method, or nothing was sent; this goes for `statuses` as well.
  bool reset_before_head = true;
  std::vector<int> statuses;  // of 502, 503, 504
  // Of what is sent again, as a part of the upstream's requests, beside `min_per_second`; over all workers.
  unsigned budget_percent = 20;
  unsigned min_per_second = 10;

  bool operator==(const Retries&) const = default;
};

struct Upstream {
  std::string name;
  std::vector<Server> servers;  // at least one
  bool required = false;        // without a server that can be connected to, hangup is not ready
  Balance balance = Balance::round_robin;
  std::optional<Template> hash_key;        // what Balance::hash goes by
  Duration slow_start = Duration::zero();  // to its full weight, when a server has come up again
  Retries retries;
  struct Connections {
    std::size_t max = 256;       // to one server, over all workers
    std::size_t keepalive = 64;  // of them, kept idle for the next request
    Duration idle = seconds(60);
    std::size_t queue = 1024;  // exchanges that may wait for a connection, over all workers
    Duration queue_timeout = seconds(5);
    Duration retry_after = seconds(1);  // what clients are told that found no place, or waited too long

    bool operator==(const Connections&) const = default;
  } connections;
  struct Timeouts {
    Duration connect = seconds(1);
    Duration first_byte = seconds(300);  // from the request being sent to the response's head
    Duration idle = seconds(60);         // between two bytes, either way
    Duration total = minutes(15);        // the exchange's deadline; 0 for none. Not of a tunnel
    Duration tunnel = hours(1);          // with nothing either way in an upgraded connection

    bool operator==(const Timeouts&) const = default;
  } timeouts;
  // `host: keep` (default, the client's Host is forwarded), `host: server` (the server's own authority), or a
  // literal.
  enum class HostPolicy : std::uint8_t { keep, server, literal } host_policy = HostPolicy::keep;
  std::string host;                               // for HostPolicy::literal
  ClientTls tls;                                  // to https servers
  std::optional<HealthCheck> health;              // nullopt: none is asked
  std::optional<Outlier> outlier;                 // nullopt: none is ejected
  std::optional<Duration> resolve = seconds(30);  // how often names are looked up again; nullopt: `off`

  bool operator==(const Upstream&) const = default;
  bool has_https() const {
    return std::ranges::any_of(servers, [](const Server& server) { return server.https; });
  }
};

struct Retry {
  unsigned max_attempts = 8;  // the first one counts
  Duration backoff_base = milliseconds(200);
  Duration backoff_max = seconds(10);
};

// A webhook to call when an exchange was cut.
struct Cleanup {
  std::string name;  // unique; an inline one is named after its route, "route", "route#2", ...
  enum class To : std::uint8_t {
    url,
    same_server,   // the server that had the request
    every_server,  // of the route's upstream, each by a delivery of its own
  } to = To::url;
  Template url;  // absolute, http or https; unless `to` is url: only the path and query
  std::string method = "POST";
  std::vector<std::pair<std::string, Template>> headers;
  enum class Body : std::uint8_t { cloudevent, none, template_text } body_kind = Body::cloudevent;
  Template body;                   // for Body::template_text
  Place body_place = Place::text;  // json when a Content-Type header of the cleanup says a JSON type, or the
                                   // body parses as JSON
  Duration timeout = seconds(5);   // of one attempt
  Retry retry;
  Duration delay = Duration::zero();                   // before the first attempt
  std::optional<Duration> expire_after = seconds(60);  // no attempt starts later than this; nullopt for never
  std::vector<int> ok_status;                          // count as done, beside every 2xx
  std::vector<std::string> signing_keys;               // decoded; the newest first
  ClientTls tls;                                       // for https
  // Where it may connect to; nullopt: what Config::receivers says.
  std::optional<Networks> allow;
};

// "/reports/{id}", "/assets/*", "/exact", compiled.
struct PathPattern {
  std::string text;
  struct Segment {
    bool capture = false;
    std::string text;  // the literal, or the capture's name
  };
  std::vector<Segment> segments;
  bool prefix = false;  // ended in "/*": any rest, also none ("/assets" itself too)
};

struct Match {
  std::optional<std::string> host;  // compared without case and without port; nullopt for any.
                                    // "*.example.com" matches any one or more labels
  PathPattern path;
  std::vector<std::string> methods;  // empty for any
};

struct HeaderChanges {
  std::vector<std::pair<std::string, Template>> set;  // replaces every field of that name
  std::vector<std::string> remove;
};

// What is planted in the request that is forwarded.
struct RequestChanges : HeaderChanges {
  // By the decoded name; replaces every parameter of that name.
  std::vector<std::pair<std::string, Template>> set_query;
  // By a path of keys with dots between them, "metadata.rid"; into bodies that are JSON objects.
  std::vector<std::pair<std::string, Template>> set_json;
  Bytes json_limit{1024 * 1024};  // a longer body is forwarded as it is
};

struct OnDisconnect {
  enum class Upstream : std::uint8_t { abort, finish } upstream = Upstream::abort;
  enum class HalfClose : std::uint8_t { probe, abort, wait } half_close = HalfClose::probe;
  Duration grace = Duration::zero();
  std::vector<std::shared_ptr<const Cleanup>> cleanups;  // called in this order; may be empty
};

// What is sent to a client while it waits for the next of the response, for finding out that it has gone
// where only a failed delivery tells: behind a proxy that acknowledges for it.
struct Heartbeat {
  enum class Kind : std::uint8_t {
    off,
    automatic,   // comment for text/event-stream, else chunk
    chunk,       // a leading zero of the next chunk's size; at most 8 for one chunk
    comment,     // an empty comment of text/event-stream, at the start of a line
    newline,     // an empty line, at the start of a line
    keep_going,  // `continue`: before the response's head, a 100
    processing,  // before the response's head, a 102
  } kind = Kind::off;
  Duration every = seconds(15);  // with nothing sent
};

struct Route {
  std::string name;       // unique
  bool is_named = false;  // by the file; else by its place
  Position position;
  Match match;
  struct Access {
    Networks allow;  // clients; empty for any, others get 403
    // Whether a token is needed where the configuration has an `auth:`.
    enum class Auth : std::uint8_t { token, none } auth = Auth::token;
    // Whether paths that servers may read as another route's are let through: `ambiguous_paths: allow`.
    bool ambiguous_paths = false;
  } access;
  std::shared_ptr<const Upstream> upstream;
  std::vector<std::string> upgrades = {"websocket"};  // protocols that a client may change to, in lower case
  RequestChanges request;
  HeaderChanges response;
  OnDisconnect on_disconnect;
  Heartbeat heartbeat;
  OutcomeSet cleanup_on{Outcome::client_gone, Outcome::deadline, Outcome::shutdown, Outcome::crashed};
};

// Where deliveries are kept until they are acknowledged or dead. Without any cleanup there is none.
struct Outbox {
  enum class Store : std::uint8_t { sqlite, memory } store = Store::sqlite;
  std::filesystem::path path = "/var/lib/hangup/outbox.db";
  bool in_flight_journal = true;                       // for `crashed`; only with sqlite
  std::optional<Duration> keep_delivered = hours(24);  // nullopt: for ever

  bool operator==(const Outbox&) const = default;
};

struct AccessLog {
  bool enabled = true;                         // `access_log: off`
  std::string path = "stdout";                 // stdout | stderr | syslog | a file's path
  std::optional<LogLine> line = std::nullopt;  // nullopt for JSON
  double sample = 1;  // the share of completed exchanges that are logged, from 0 to 1
};

struct Log {
  std::string path = "stderr";  // as AccessLog::path
  std::string level = "info";   // trace debug info warn error
};

struct Config {
  std::filesystem::path file;
  unsigned workers = 0;             // never 0 once read: `auto` is the number of CPUs this process may use
  std::vector<Listener> listeners;  // at least one
  // Of every listener: what one of them says of its clients, clients of another must not be able to say.
  std::vector<std::string> client_subject_headers;
  std::vector<std::shared_ptr<const Upstream>> upstreams;
  std::optional<Auth> auth;                              // nullopt: no route needs a token
  std::vector<Route> routes;                             // first match wins
  std::vector<std::shared_ptr<const Cleanup>> cleanups;  // inline ones too
  std::optional<Networks> receivers;  // receivers.allow: where cleanups may connect to; nullopt: anywhere
  Outbox outbox;
  std::optional<SocketAddress> admin;  // admin.address; nullopt for no admin listener
  AccessLog access_log;
  Log log;
  std::optional<SocketAddress> resolver;  // the DNS server for names of servers; nullopt: the system's
  Duration drain = seconds(30);           // shutdown.drain
  std::vector<Problem> warnings;          // what is valid, but probably not meant; in the order of the file

  // Whether some are let in and others not, so that it matters which route a request is matched with.
  bool has_access_rules() const {
    return auth ||
           std::ranges::any_of(routes, [](const Route& route) { return !route.access.allow.empty(); });
  }
};

// Reads and checks a file. On failure every problem of it, in the order of the file.
std::expected<std::shared_ptr<const Config>, std::vector<Problem>> load(const std::filesystem::path& file);
// The same for a text; `name` stands for the file in what is said about it.
std::expected<std::shared_ptr<const Config>, std::vector<Problem>> parse(const std::string& text,
                                                                         const std::filesystem::path& name);

// Whether a private key's file, if there is one, may be used: it may have changed since the configuration was
// read. The error names it.
Result<void> check_private_key(const std::filesystem::path& key, bool allow_insecure_permissions);

// "hangup.yaml:12:5: unknown key `upstrem`, expected one of: …; did you mean `upstream`?"
std::string to_string(const Problem& problem, const std::filesystem::path& file);

}  // namespace hangup::config
