#include "observe/bounded_sink.h"

#include <chrono>
#include <cstdint>
#include <future>
#include <thread>
#include <utility>

namespace hangup::observe {
namespace {

constexpr auto writing_out_patience = std::chrono::seconds(2);

}  // namespace

AsyncLogger::AsyncLogger(std::string name, std::shared_ptr<Outlet> outlet, std::size_t queue)
    : pool(std::make_shared<spdlog::details::thread_pool>(queue, 1)),
      logger(std::make_shared<spdlog::async_logger>(std::move(name), std::move(outlet), pool,
                                                    spdlog::async_overflow_policy::overrun_oldest)) {}

AsyncLogger::~AsyncLogger() {
  write_out();
}

bool AsyncLogger::write_out() {
  if (!pool) return true;
  std::packaged_task<void()> task([pool = std::exchange(pool, nullptr)]() mutable { pool.reset(); });
  const std::future<void> done = task.get_future();
  std::thread thread(std::move(task));
  if (done.wait_for(writing_out_patience) == std::future_status::ready) {
    thread.join();
    return true;
  }
  thread.detach();
  return false;
}

BoundedSink::BoundedSink(std::shared_ptr<AsyncLogger> behind, std::size_t most,
                         std::shared_ptr<LostLines> lost, std::shared_ptr<spdlog::logger> log)
    : behind_(std::move(behind)), most_(most), lost_(std::move(lost)), log_(std::move(log)) {}

BoundedSink::~BoundedSink() {
  if (!behind_->write_out())
    log_->error("lines of the access log that were still to be written are lost: what it goes to takes none");
  report(spdlog::log_clock::time_point::max());
}

void BoundedSink::log(const spdlog::details::log_msg& message) {
  if (behind_->pool->queue_size() < most_) {
    behind_->logger->log(message.time, message.source, message.level, message.payload);
  } else {
    lost_->add(count_lines(message), "what it goes to takes them too slowly");
  }
  if (lost_->unsaid.load(std::memory_order_relaxed) != 0) report(message.time);
}

void BoundedSink::report(spdlog::log_clock::time_point now) {
  auto said = said_.load();
  const bool first = said == spdlog::log_clock::time_point::min();
  // A clock that was set back must not keep it silent.
  if (!first && now >= said && now - said < std::chrono::seconds(1)) return;
  if (!said_.compare_exchange_strong(said, now)) return;  // another thread says it
  if (const std::uint64_t lines = lost_->unsaid.exchange(0); lines != 0)
    log_->warn("{} lines of the access log were dropped: {}", lines, lost_->why());
}

}  // namespace hangup::observe
