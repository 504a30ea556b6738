// A place for a logger's messages to be looked at.
#pragma once

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace hangup::test {

// Keeps messages as they were given, without pattern and line end. Any thread.
class CapturingSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::vector<std::string> messages() {
    const std::scoped_lock lock(mutex_);
    return messages_;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    messages_.emplace_back(message.payload.data(), message.payload.size());
  }
  void flush_() override {}

  std::vector<std::string> messages_;
};

struct CapturingLogger {
  std::shared_ptr<CapturingSink> sink = std::make_shared<CapturingSink>();
  std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>("test", sink);
  std::vector<std::string> messages() const { return sink->messages(); }
};

}  // namespace hangup::test
