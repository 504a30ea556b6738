#include "upstream/shared_upstream.h"
#include "upstream/upstream_care.h"

#include <pthread.h>
#include <spdlog/logger.h>

#include <chrono>
#include <future>
#include <map>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <hangup/base/units.h>
#include <hangup/upstream/care.h>

namespace hangup::upstream {

class Care::Impl {
 public:
  Impl(const std::optional<SocketAddress>& resolver, spdlog::logger& log)
      : log_(log),
        resolver_(resolver ? net::Resolver(loop_, resolver->to_string()) : net::Resolver(loop_)),
        random_(std::random_device()()) {}
  ~Impl() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }

  void look_after(std::span<const std::shared_ptr<SharedUpstream>> upstreams, Duration patience);

 private:
  // How many names' first answers are missing. Shared with those who may answer when nobody waits any more.
  struct Missing {
    std::size_t names = 0;  // the loop's
    std::promise<void> none;
  };
  void take_up(const std::vector<std::shared_ptr<SharedUpstream>>& upstreams,
               const std::shared_ptr<Missing>& missing);
  void listen_to(const std::shared_ptr<SharedUpstream>& upstream);

  spdlog::logger& log_;
  net::EventLoop loop_;
  net::Resolver resolver_;
  std::minstd_rand random_;                                                             // the loop's
  std::map<std::shared_ptr<SharedUpstream>, std::unique_ptr<UpstreamCare>> cared_for_;  // the loop's
  std::vector<std::weak_ptr<SharedUpstream>> listened_to_;
  std::thread thread_;
};

void Care::Impl::look_after(std::span<const std::shared_ptr<SharedUpstream>> upstreams, Duration patience) {
  std::vector<std::shared_ptr<SharedUpstream>> needy;
  for (const auto& upstream : upstreams) {
    if (!needs_care(upstream->config())) continue;
    listen_to(upstream);
    needy.push_back(upstream);
  }
  if (!thread_.joinable()) {
    if (needy.empty()) return;
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "hangup-care");
      loop_.run();
    });
  }
  const auto missing = std::make_shared<Missing>();
  const auto none = missing->none.get_future();
  loop_.post([this, needy = std::move(needy), missing] { take_up(needy, missing); });
  if (none.wait_for(patience) != std::future_status::ready) {
    log_.warn(
        "names of servers are not all looked up within {}: those without an address are down until they are",
        format_duration(patience));
  }
}

// Workers, which eject, know a server by the upstream and its place.
void Care::Impl::listen_to(const std::shared_ptr<SharedUpstream>& upstream) {
  if (!upstream->config().outlier) return;
  std::erase_if(listened_to_, [](const auto& each) { return each.expired(); });
  for (const auto& each : listened_to_) {
    if (each.lock() == upstream) return;
  }
  listened_to_.emplace_back(upstream);
  upstream->on_ejected([this, weak = std::weak_ptr(upstream)](
                           std::size_t server, const Outliers::Ejection& ejection, std::string_view why) {
    loop_.post([this, weak, server, ejection, why = std::string(why)] {
      const auto found = cared_for_.find(weak.lock());
      if (found != cared_for_.end()) found->second->ejected(server, ejection, why);
    });
  });
}

void Care::Impl::take_up(const std::vector<std::shared_ptr<SharedUpstream>>& upstreams,
                         const std::shared_ptr<Missing>& missing) {
  auto before = std::exchange(cared_for_, {});
  std::vector<std::shared_ptr<SharedUpstream>> added;
  for (const auto& upstream : upstreams) {
    if (auto same = before.extract(upstream); !same.empty()) {
      cared_for_.insert(std::move(same));
    } else {
      added.push_back(upstream);
      missing->names += names_in(upstream->config());
    }
  }
  if (missing->names == 0) missing->none.set_value();
  const auto on_name = [missing] {
    if (--missing->names == 0) missing->none.set_value();
  };
  const UpstreamCare::Needs needs{
      .loop = loop_,
      .resolver = resolver_,
      .random = [this] { return std::uniform_real_distribution<double>()(random_); },
      .log = log_};
  for (const auto& upstream : added)
    cared_for_.emplace(upstream, std::make_unique<UpstreamCare>(needs, upstream, on_name));
}

Care::Care(std::optional<SocketAddress> resolver, spdlog::logger& log)
    : impl_(std::make_unique<Impl>(resolver, log)) {}
Care::~Care() = default;

void Care::look_after(std::span<const std::shared_ptr<SharedUpstream>> upstreams, Duration patience) {
  impl_->look_after(upstreams, patience);
}

}  // namespace hangup::upstream
