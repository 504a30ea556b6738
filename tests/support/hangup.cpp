#include "support/hangup.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>

namespace hangup::test {
namespace {

// The value of `key=value` in a line, up to the next blank.
std::string value_of(const std::string& line, const std::string& key) {
  const std::size_t start = line.find(' ' + key + '=');
  if (start == std::string::npos) return {};
  const std::size_t value = start + key.size() + 2;
  return line.substr(value, line.find(' ', value) - value);
}

std::filesystem::path write_configuration(const TempDir& dir, const std::string& configuration) {
  auto file = dir / "hangup.yaml";
  std::string text = configuration + "\nlog: {path: stderr, level: trace}\n";
  if (!text.contains("\naccess_log:"))
    text += "access_log: {path: \"" + (dir / "access.log").string() + "\"}\n";
  if (!text.contains("\noutbox:")) text += "outbox: {path: \"" + (dir / "outbox.db").string() + "\"}\n";
  write_file(file, text);
  return file;
}

std::vector<std::string> start_command(const TempDir& dir, const std::string& configuration,
                                       std::vector<std::string> wrapper) {
  const auto file = write_configuration(dir, configuration);
  for (const std::string& word : {binary(), std::string("run"), std::string("-c"), file.string()})
    wrapper.push_back(word);
  return wrapper;
}

std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string tail(const std::string& text) {
  constexpr std::size_t most = 8192;
  return text.size() <= most ? text : "...\n" + text.substr(text.size() - most);
}

}  // namespace

std::string binary() {
  const char* other = std::getenv("HANGUP_BINARY");
  return other != nullptr ? other : HANGUP_BINARY;
}

const std::vector<std::string>& LineTail::lines() {
  std::ifstream file(path_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset_));
  std::array<char, 64 * 1024> buffer;
  while (file.read(buffer.data(), buffer.size()), file.gcount() > 0) {
    const auto size = static_cast<std::size_t>(file.gcount());
    offset_ += size;
    partial_.append(buffer.data(), size);
  }
  std::size_t start = 0;
  for (std::size_t end = 0; (end = partial_.find('\n', start)) != std::string::npos; start = end + 1) {
    lines_.push_back(partial_.substr(start, end - start));
  }
  partial_.erase(0, start);
  return lines_;
}

std::string sanitizer_report(const std::string& text) {
  for (const char* sign : {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer",
                           "FATAL: ThreadSanitizer", "runtime error:", "AddressSanitizer:DEADLYSIGNAL"}) {
    const std::size_t at = text.find(sign);
    if (at != std::string::npos) return text.substr(at, 8192);
  }
  return {};
}

Hangup::Hangup(const std::string& configuration, std::size_t listeners, std::vector<std::string> wrapper)
    : process_(start_command(dir_, configuration, std::move(wrapper)), dir_ / "stdout", dir_ / "stderr"),
      access_log_(dir_ / "access.log") {
  LineTail stderr_lines(dir_ / "stderr");
  try {
    eventually("hangup to listen", [&] {
      if (!process_.running())
        throw std::runtime_error("hangup did not start: " + process_.wait()->to_string());
      addresses_.clear();
      for (const std::string& line : stderr_lines.lines()) {
        const std::string where = value_of(line, "address");
        if (line.contains("listening") && !where.empty()) addresses_.push_back(address(where));
      }
      return addresses_.size() >= listeners;
    });
  } catch (const std::exception& error) {
    throw std::runtime_error(error.what() + ("; its log:\n" + log()));
  }
}

Hangup::~Hangup() {
  if (process_.running()) {
    // Twice: at once rather than after draining.
    process_.signal(SIGTERM);
    process_.signal(SIGINT);  // of two that are alike and wait, the kernel keeps one
    if (!process_.wait()) {
      ADD_FAILURE() << "hangup did not end after SIGTERM and SIGINT";
      process_.signal(SIGKILL);
      process_.wait();
    }
  } else if (!ended_) {
    ADD_FAILURE() << "hangup died: " << process_.wait()->to_string();
  }
  const std::string report = sanitizer_report(log() + read_file(dir_ / "stdout"));
  if (!report.empty()) ADD_FAILURE() << report;
  if (::testing::Test::HasFailure()) {
    std::cerr << "--- configuration\n"
              << read_file(dir_ / "hangup.yaml") << "--- log\n"
              << tail(log()) << "--- access log\n"
              << tail(read_file(dir_ / "access.log")) << "---\n";
  }
}

bool Hangup::reload(const std::string& configuration) {
  write_configuration(dir_, configuration);
  return reload();
}

bool Hangup::reload() {
  constexpr std::string_view done = " info reloaded ";
  constexpr std::string_view refused = " error cannot reload";
  const std::string before = log();
  signal(SIGHUP);
  bool reloaded = false;
  eventually("the end of a reload", [&] {
    const std::string now = log();
    reloaded = count_of(now, done) > count_of(before, done);
    return reloaded || count_of(now, refused) > count_of(before, refused);
  });
  return reloaded;
}

std::string Hangup::log() const {
  return read_file(dir_ / "stderr");
}

const std::vector<Hangup::Json>& Hangup::read_access_log() {
  const std::vector<std::string>& lines = access_log_.lines();
  for (std::size_t i = access_lines_.size(); i < lines.size(); ++i)
    access_lines_.push_back(Json::parse(lines[i]));
  return access_lines_;
}

std::vector<Hangup::Json> Hangup::access_log(std::string_view type) {
  read_access_log();
  std::vector<Json> found;
  std::ranges::copy_if(access_lines_, std::back_inserter(found),
                       [&](const Json& line) { return line.at("type") == type; });
  return found;
}

Hangup::Json Hangup::wait_for_log(const std::string& what, const std::function<bool(const Json&)>& suits) {
  Json found;
  eventually(what, [&] {
    read_access_log();
    const auto line = std::ranges::find_if(access_lines_, suits);
    if (line != access_lines_.end()) found = *line;
    return line != access_lines_.end();
  });
  return found;
}

std::vector<Hangup::Json> Hangup::wait_for_exchanges(std::size_t n) {
  eventually(std::to_string(n) + " exchanges in the access log", [&] {
    const auto count = std::ranges::count_if(read_access_log(),
                                             [](const Json& line) { return line.at("type") == "exchange"; });
    return static_cast<std::size_t>(count) >= n;
  });
  return access_log("exchange");
}

std::size_t Hangup::descriptors() const {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid()) + "/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

void Hangup::limit_descriptors(std::size_t most) const {
  rlimit limit{};
  if (::prlimit(pid(), RLIMIT_NOFILE, nullptr, &limit) != 0) throw_errno("prlimit");
  limit.rlim_cur = most;
  if (::prlimit(pid(), RLIMIT_NOFILE, &limit, nullptr) != 0) throw_errno("prlimit");
}

std::chrono::nanoseconds Hangup::cpu_time() const {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid(), &clock) != 0 || ::clock_gettime(clock, &time) != 0)
    throw_errno("clock_gettime");
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// A line of /proc/PID/status, "VmRSS:     1234 kB".
std::uint64_t Hangup::memory(const std::string& field) const {
  const std::string status = read_file("/proc/" + std::to_string(pid()) + "/status");
  std::size_t at = status.find(field + ':');
  if (at == std::string::npos) throw std::runtime_error("no " + field);
  at = status.find_first_of("0123456789", at);
  std::uint64_t kib = 0;
  std::from_chars(status.data() + at, status.data() + status.size(), kib);
  return kib * 1024;
}

std::uint64_t Hangup::resident_bytes() const {
  return memory("VmRSS");
}
std::uint64_t Hangup::peak_resident_bytes() const {
  return memory("VmHWM");
}

Exit Hangup::wait_for_exit() {
  const auto exit = process_.wait();
  if (!exit) throw TimedOut("hangup to end");
  ended_ = true;
  return *exit;
}

void Hangup::stop() {
  signal(SIGTERM);
  const Exit exit = wait_for_exit();
  EXPECT_EQ(exit.status, 0) << exit.to_string();
}

}  // namespace hangup::test
