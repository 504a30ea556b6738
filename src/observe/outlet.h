// Where a logger writes to, which can be changed while it writes: a reload names another file, or log
// rotation has renamed the one that is open.
//
// Threading: messages come from one thread at a time, the logger's own; the rest from any.
#pragma once

#include <spdlog/sinks/sink.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace hangup::observe {

// The lines that a log was given and that are nowhere.
struct LostLines {
  std::atomic<std::uint64_t> all = 0;
  std::atomic<std::uint64_t> unsaid = 0;  // those that nobody has been told of

  void add(std::uint64_t lines, const std::string& why);
  std::string why() const;  // of the last ones

 private:
  mutable std::mutex mutex_;
  std::string why_;
};

class Outlet final : public spdlog::sinks::sink {
 public:
  // Where `lost` is null, failures to write are the caller's.
  explicit Outlet(std::shared_ptr<LostLines> lost = nullptr) : lost_(std::move(lost)) {}

  // What follows goes there, and each message as a whole to one place. Never waits for what is being written.
  // Null: nowhere, from the next flush() on, until when all goes where it did.
  void redirect(spdlog::sink_ptr to);

  void log(const spdlog::details::log_msg& message) override;
  void flush() override;
  void set_pattern(const std::string&) override {}  // what it goes to has its own
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  void adopt(bool nowhere_too);

  const std::shared_ptr<LostLines> lost_;
  spdlog::sink_ptr current_;
  std::atomic<bool> redirected_ = false;
  std::mutex mutex_;
  spdlog::sink_ptr next_;  // guarded by mutex_
};

std::uint64_t count_lines(const spdlog::details::log_msg& message);

}  // namespace hangup::observe
