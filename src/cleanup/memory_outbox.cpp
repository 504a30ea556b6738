#include "cleanup/dispatcher.h"
#include "cleanup/http_sender.h"
#include "cleanup/ledger.h"

#include <random>
#include <thread>
#include <utility>

#include <hangup/cleanup/cleanup.h>
#include <hangup/net/event_loop.h>

namespace hangup::cleanup {
namespace {

Random make_random() {
  return [engine = std::mt19937_64(std::random_device{}())](std::uint64_t max) mutable {
    return std::uniform_int_distribution<std::uint64_t>(0, max)(engine);
  };
}

}  // namespace

class MemoryOutbox::Impl {
 public:
  Impl(Options options, std::shared_ptr<const Credentials> credentials,
       std::shared_ptr<spdlog::logger> access_log, std::shared_ptr<spdlog::logger> log)
      : capacity_(options.capacity),
        ledger_(loop_, std::move(access_log), std::move(log)),
        sender_(loop_, std::move(credentials)),
        dispatcher_(loop_, sender_, ledger_, {.per_receiver = options.concurrency}, make_random()),
        thread_([this] { loop_.run(); }) {}

  ~Impl() {
    loop_.stop();  // comes after every add()
    thread_.join();
    ledger_.lost(dispatcher_.pending());
  }

  void add(std::vector<Delivery> deliveries) {
    std::erase_if(deliveries,
                  [this](const Delivery& delivery) { return !ledger_.admit(delivery, capacity_); });
    if (deliveries.empty()) return;
    loop_.post([this, deliveries = std::move(deliveries)]() mutable {
      for (Delivery& delivery : deliveries) dispatcher_.add(std::move(delivery));
    });
  }

  void use(std::shared_ptr<const Credentials> credentials) {
    loop_.post([this, credentials = std::move(credentials)] { sender_.use(credentials); });
  }

  const Ledger& ledger() const { return ledger_; }
  const Dispatcher& dispatcher() const { return dispatcher_; }

 private:
  const std::size_t capacity_;
  net::EventLoop loop_;
  Ledger ledger_;
  HttpSender sender_;
  Dispatcher dispatcher_;  // the sender's calls end with the loop, so that it may go first
  std::thread thread_;
};

MemoryOutbox::MemoryOutbox(Options options, std::shared_ptr<const Credentials> credentials,
                           std::shared_ptr<spdlog::logger> access_log, std::shared_ptr<spdlog::logger> log)
    : impl_(std::make_unique<Impl>(options, std::move(credentials), std::move(access_log), std::move(log))) {}

MemoryOutbox::~MemoryOutbox() = default;

void MemoryOutbox::add(std::vector<Delivery> deliveries) {
  impl_->add(std::move(deliveries));
}

Counts MemoryOutbox::counts() const {
  return impl_->ledger().counts();
}

std::map<std::string, CleanupCounts> MemoryOutbox::counts_by_cleanup() const {
  return impl_->ledger().counts_by_cleanup();
}

std::optional<WallTime> MemoryOutbox::oldest_pending() const {
  return impl_->dispatcher().oldest();
}

bool MemoryOutbox::drain(Duration patience) {
  return impl_->ledger().wait_settled(patience);
}

void MemoryOutbox::use(std::shared_ptr<const Credentials> credentials) {
  impl_->use(std::move(credentials));
}

}  // namespace hangup::cleanup
