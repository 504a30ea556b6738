#include "app/next_generation.h"

#include "app/descriptors.h"
#include "app/listener_tls.h"
#include "app/sockets.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include <hangup/net/socket.h>

namespace hangup::app {
namespace {

class Maker {
 public:
  Maker(std::shared_ptr<const config::Config> config, const Generation* before,
        const InheritedSockets& inherited, spdlog::logger& log)
      : made_(std::make_shared<Generation>(std::move(config))),
        before_(before),
        inherited_(inherited),
        log_(log) {
    next_.sockets.resize(made_->config->workers);
  }

  Result<NextGeneration> make() {
    const std::size_t allowed = raise_descriptor_limit();
    const auto plan = plan_descriptors(*made_->config, allowed);
    if (!plan) return std::unexpected(plan.error());
    if (auto done = add_upstreams(); !done) return std::unexpected(std::move(done.error()));
    for (std::size_t i = 0; i < made_->config->listeners.size(); ++i) {
      const config::Listener& listener = made_->config->listeners[i];
      if (plan->connections[i] < listener.connections.max)
        warn_of_lowered(listener, plan->connections[i], allowed, plan->needed);
      if (auto done = add_listener(listener, plan->connections[i]); !done)
        return std::unexpected(std::move(done.error()));
    }
    for (const config::Problem& warning : made_->config->warnings)
      log_.warn("{}", config::to_string(warning, made_->config->file));
    next_.generation = std::move(made_);
    return std::move(next_);
  }

 private:
  // Those that are the same stay, with their connections; their TLS files are read again, and where they hold
  // something else than before only new connections are used.
  Result<void> add_upstreams() {
    for (const auto& upstream : made_->config->upstreams) {
      if (auto same = find_same(*upstream)) {
        auto read = upstream::read_tls(same);
        if (!read) return std::unexpected(std::move(read.error()));
        next_.commit.push_back(std::move(*read));
        made_->upstreams[upstream.get()] = std::move(same);
        continue;
      }
      auto made = upstream::make_shared_upstream(upstream, find_named(upstream->name));
      if (!made) return std::unexpected(std::move(made.error()));
      made_->upstreams[upstream.get()] = std::move(*made);
    }
    return {};
  }

  std::shared_ptr<upstream::SharedUpstream> find_same(const config::Upstream& upstream) const {
    if (before_ == nullptr) return nullptr;
    for (const auto& [config, shared] : before_->upstreams) {
      if (upstream::is_same(*shared, upstream)) return shared;
    }
    return nullptr;
  }

  // The one that it takes the place of.
  const upstream::SharedUpstream* find_named(const std::string& name) const {
    if (before_ == nullptr) return nullptr;
    const auto found = std::ranges::find_if(
        before_->upstreams, [&](const auto& upstream) { return upstream.first->name == name; });
    return found == before_->upstreams.end() ? nullptr : found->second.get();
  }

  // By its address: whatever else the configuration says of it may change.
  const Generation::Listener* find_same(const config::Listener& listener) const {
    if (before_ == nullptr) return nullptr;
    const bool any_port =
        listener.inherited.empty() && !listener.address.is_unix() && listener.address.port() == 0;
    const auto found = std::ranges::find_if(before_->listeners, [&](const Generation::Listener& other) {
      return other.config->where() == listener.where() && (!any_port || other.config->name == listener.name);
    });
    return found == before_->listeners.end() ? nullptr : &*found;
  }

  Result<void> add_listener(const config::Listener& listener, std::size_t connections) {
    Generation::Listener added{
        .config = {made_->config, &listener}, .shared = nullptr, .tls = nullptr, .address = {}};
    if (listener.tls) {
      auto tls = make_listener_tls(listener);
      if (!tls) return std::unexpected(std::move(tls.error()));
      for (const std::string& warning : (*tls)->warnings(std::chrono::system_clock::now()))
        log_.warn("listener name={}: {}", listener.name, warning);
      added.tls = std::move(*tls);
    }
    if (const Generation::Listener* same = find_same(listener)) {
      added.shared = same->shared;
      added.address = same->address;
      next_.commit.emplace_back([shared = same->shared, limits = listener.connections, connections] {
        shared->limits.change(limits, connections);
      });
    } else {
      if (auto opened = open(added, connections); !opened) return opened;
      next_.added.push_back(added);
    }
    made_->listeners.push_back(std::move(added));
    return {};
  }

  Result<void> open(Generation::Listener& added, std::size_t connections) {
    auto sockets = open_sockets(*added.config, next_.sockets.size(), inherited_);
    if (!sockets) {
      const bool reloading = before_ != nullptr;
      return std::unexpected(
          Error{"listener `" + added.config->name + "`: " + sockets.error().message +
                (reloading ? "; one that overlaps with an address in use until then needs a restart" : "")});
    }
    const auto bound = net::local_address(sockets->front());
    if (!bound) return std::unexpected(bound.error());
    added.address = *bound;
    added.shared = std::make_shared<downstream::SharedListener>(*added.config, connections, log_);
    for (std::size_t i = 0; i < sockets->size(); ++i)
      next_.sockets[i].emplace(added.shared.get(), std::move((*sockets)[i]));
    return {};
  }

  void warn_of_lowered(const config::Listener& listener, std::size_t to, std::size_t allowed,
                       std::size_t needed) {
    log_.warn(
        "limits.connections lowered name={} from={} to={}: the limit on open files is {}, and all that the "
        "configuration allows needs {}; raise it (LimitNOFILE= of systemd, --ulimit nofile= of Docker) or "
        "lower limits.connections",
        listener.name, listener.connections.max, to, allowed, needed);
  }

  std::shared_ptr<Generation> made_;
  const Generation* before_;
  const InheritedSockets& inherited_;
  spdlog::logger& log_;
  NextGeneration next_;
};

}  // namespace

Result<NextGeneration> make_generation(std::shared_ptr<const config::Config> config, const Generation* before,
                                       const InheritedSockets& inherited, spdlog::logger& log) {
  return Maker(std::move(config), before, inherited, log).make();
}

bool keeps(const Generation& now, const Generation::Listener& before) {
  return std::ranges::any_of(now.listeners,
                             [&](const auto& listener) { return listener.shared == before.shared; });
}

}  // namespace hangup::app
