// The real binary, run with a configuration of the test's, and what can be seen of it from outside.
#pragma once

#include "support/client.h"
#include "support/process.h"

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hangup::test {

// A file that grows, read line by line.
class LineTail {
 public:
  explicit LineTail(std::filesystem::path path) : path_(std::move(path)) {}
  // The whole lines so far, those of earlier calls included.
  const std::vector<std::string>& lines();

 private:
  std::filesystem::path path_;
  std::uint64_t offset_ = 0;
  std::string partial_;
  std::vector<std::string> lines_;
};

// What a sanitizer reported into this text; "" if nothing.
std::string sanitizer_report(const std::string& text);

// Threads: one. Its destructor ends the process and fails the test if it had died by itself, did not end, or
// if a sanitizer reported anything.
class Hangup {
 public:
  using Json = nlohmann::json;

  // Starts it and waits until it listens at so many addresses. The configuration must not say where the log
  // for people goes. Access log and outbox are files of its own unless the configuration says where.
  // `wrapper` is a command that runs the one behind it in its own process, such as {"prlimit",
  // "--nofile=99"}.
  explicit Hangup(const std::string& configuration, std::size_t listeners = 1,
                  std::vector<std::string> wrapper = {});
  Hangup(const Hangup&) = delete;
  ~Hangup();

  SocketAddress where(std::size_t listener = 0) const { return addresses_.at(listener); }
  Client connect(const BufferSizes& buffers = {}) const { return Client(where(), buffers); }
  std::string url(std::string_view path) const { return "http://" + where().to_string() + std::string(path); }

  // The access log's lines of a type, "exchange" or "cleanup".
  std::vector<Json> access_log(std::string_view type);
  Json wait_for_log(const std::string& what, const std::function<bool(const Json&)>& suits);
  std::vector<Json> wait_for_exchanges(std::size_t n);
  Json wait_for_exchange() { return wait_for_exchanges(1).front(); }
  // Has it read another configuration, and waits until it has, or has refused it: false.
  bool reload(const std::string& configuration);
  // The same with the file as it is.
  bool reload();
  std::filesystem::path configuration_file() const { return dir_ / "hangup.yaml"; }
  // What it logged for people.
  std::string log() const;

  pid_t pid() const { return process_.pid(); }
  std::size_t descriptors() const;
  // Sets its limit on descriptors, which may be below what it has open: then there are no new ones.
  void limit_descriptors(std::size_t most) const;
  std::chrono::nanoseconds cpu_time() const;  // of all its threads so far
  std::uint64_t resident_bytes() const;       // now
  std::uint64_t peak_resident_bytes() const;  // so far

  void signal(int number) const { process_.signal(number); }
  // Waits for an end that the test has asked for by a signal.
  Exit wait_for_exit();
  // Drains: when it returns, all that was owed is logged and delivered. Fails the test if the exit status is
  // not 0.
  void stop();

 private:
  const std::vector<Json>& read_access_log();
  std::uint64_t memory(const std::string& field) const;

  TempDir dir_;
  Process process_;
  LineTail access_log_;
  std::vector<Json> access_lines_;
  std::vector<SocketAddress> addresses_;
  bool ended_ = false;  // as the test wished
};

// The binary under test: the one of this build, unless the environment says another in HANGUP_BINARY, such as
// that of a sanitizer's build.
std::string binary();

}  // namespace hangup::test
