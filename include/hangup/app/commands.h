// The subcommands of the executable, one function each; main.cpp only reads the command line. Each says what
// it has to say on the streams it is given and returns the process's exit status. Called from the main
// thread, before any other thread runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace hangup::app::commands {

enum ExitStatus : int {
  exit_ok = 0,
  exit_bad_configuration = 1,
  exit_usage = 2,
  exit_cannot_start = 3,
  exit_broken_promise = 4,  // `demo --once` saw something that is not as the contract says
  exit_failed = 5,          // the command did not do what it was asked for
};

// Proxies until SIGTERM or SIGINT, then drains; a second signal ends the drain. Writes to `err` only when it
// can't start.
int run(const std::filesystem::path& config_file, std::ostream& err);

// Reads the configuration and says everything that is wrong with it, a line each, on `err`.
int check(const std::filesystem::path& config_file, std::ostream& out, std::ostream& err);

struct ExplainRequest {
  std::filesystem::path config_file;
  std::string method;
  std::string url;                   // "http://host/path?query", or "/path" with the host in a Host header
  std::vector<std::string> headers;  // "Name: value"
};
// Which route a request would take, and what would be done if its client disconnected. Sends nothing.
int explain(const ExplainRequest& request, std::ostream& out, std::ostream& err);

// Shows on loopback what happens when clients disconnect; then serves until Ctrl-C, unless `once`.
int demo(bool once, std::ostream& out, std::ostream& err);

struct OutboxRequest {
  enum class Verb : std::uint8_t { list, show, retry, drop, stats } verb = Verb::list;
  std::filesystem::path config_file;
  std::vector<std::string> ids;  // webhook-ids: one to show, some to retry or to drop
  bool all_dead = false;         // retry: every dead letter
  std::string state;             // list: those in this state; "" for all
  std::string cleanup;           // list: those of this cleanup; "" for all
  std::size_t limit = 100;       // list
  bool json = false;
};
// Looks at and changes the outbox of a configuration, whether hangup runs with it or not.
int outbox(const OutboxRequest& request, std::ostream& out, std::ostream& err);

// Sends one marked test event to the receiver of a cleanup, once, and says what came of it.
int test_cleanup(const std::filesystem::path& config_file, const std::string& name, std::ostream& out,
                 std::ostream& err);

// Makes a bearer token: the line for auth.bearer_tokens_file goes to `out`, to be appended there, the token
// itself to `err`.
int new_token(const std::string& name, std::ostream& out, std::ostream& err);

// Prints the JSON Schema of the configuration, conf/hangup.schema.json.
int schema(std::ostream& out);

int version(std::ostream& out);

}  // namespace hangup::app::commands
