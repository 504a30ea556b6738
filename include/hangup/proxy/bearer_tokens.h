// The bearer tokens that are good now, shared by all workers and replaced while requests run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include <hangup/config/tokens.h>

namespace hangup::proxy {

// Threading: any. Workers keep what they got until generation() says that there is something newer, so that a
// request takes no lock.
class BearerTokens {
 public:
  explicit BearerTokens(config::Tokens tokens)
      : tokens_(std::make_shared<const config::Tokens>(std::move(tokens))) {}

  void replace(config::Tokens tokens);
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  std::shared_ptr<const config::Tokens> current() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const config::Tokens> tokens_;
  std::atomic<std::uint64_t> generation_ = 1;
};

}  // namespace hangup::proxy
