#include "observe/bounded_sink.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace hangup::observe {

AsyncLogger::AsyncLogger(std::string name, spdlog::sink_ptr sink, std::size_t queue)
    : pool(std::make_shared<spdlog::details::thread_pool>(queue, 1)),
      logger(std::make_shared<spdlog::async_logger>(std::move(name), std::move(sink), pool,
                                                    spdlog::async_overflow_policy::overrun_oldest)) {}

BoundedSink::BoundedSink(std::shared_ptr<AsyncLogger> behind, std::size_t most,
                         std::shared_ptr<spdlog::logger> log)
    : behind_(std::move(behind)),
      most_(most),
      log_(std::move(log)),
      dropped_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

BoundedSink::~BoundedSink() {
  report(spdlog::log_clock::time_point::max());
}

void BoundedSink::log(const spdlog::details::log_msg& message) {
  if (behind_->pool->queue_size() < most_) {
    behind_->logger->log(message.time, message.source, message.level, message.payload);
  } else {
    const auto lines = static_cast<std::uint64_t>(std::ranges::count(message.payload, '\n'));
    dropped_->fetch_add(lines, std::memory_order_relaxed);
    unsaid_.fetch_add(lines, std::memory_order_relaxed);
  }
  if (unsaid_.load(std::memory_order_relaxed) != 0) report(message.time);
}

void BoundedSink::report(spdlog::log_clock::time_point now) {
  auto said = said_.load();
  const bool first = said == spdlog::log_clock::time_point::min();
  // A clock that was set back must not keep it silent.
  if (!first && now >= said && now - said < std::chrono::seconds(1)) return;
  if (!said_.compare_exchange_strong(said, now)) return;  // another thread says it
  if (const std::uint64_t lines = unsaid_.exchange(0); lines != 0)
    log_->warn("{} lines of the access log were dropped: what it goes to takes them too slowly", lines);
}

}  // namespace hangup::observe
