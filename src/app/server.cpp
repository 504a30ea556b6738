#include "app/descriptors.h"
#include "app/listener_tls.h"
#include "app/worker.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include <hangup/admin/admin.h>
#include <hangup/app/server.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/cleanup/open.h>
#include <hangup/downstream/front_end.h>
#include <hangup/net/socket.h>
#include <hangup/observe/metrics.h>
#include <hangup/proxy/bearer_tokens.h>

namespace hangup::app {
namespace {

constexpr auto ask_again = std::chrono::milliseconds(50);
// How long cleanups that are still owed are delivered for, once the last exchange has ended.
constexpr auto cleanup_patience = std::chrono::seconds(5);

// One listening socket a worker. TCP ones share the address by SO_REUSEPORT, so that the kernel spreads
// connections over the workers; a UNIX socket is one socket that all accept from.
Result<std::vector<net::Fd>> open_sockets(const config::Listener& listener, std::size_t count) {
  SocketAddress address = listener.address;
  if (!address.is_unix() && address.port() != 0) {
    // With SO_REUSEPORT, a second hangup would listen beside the first in silence.
    auto probe = net::listen_on(address, {.backlog = 0});
    if (!probe) return std::unexpected(probe.error());
  }
  std::vector<net::Fd> sockets;
  while (sockets.size() < count) {
    if (address.is_unix() && !sockets.empty()) {
      sockets.emplace_back(::fcntl(sockets.front().get(), F_DUPFD_CLOEXEC, 0));
      if (!sockets.back())
        return std::unexpected(Error{std::string("cannot copy a descriptor: ") + std::strerror(errno)});
      continue;
    }
    auto socket = net::listen_on(address, {.reuse_port = count > 1, .dead_peer = listener.dead_peer});
    if (!socket) return std::unexpected(socket.error());
    const auto bound = net::local_address(*socket);
    if (!bound) return std::unexpected(bound.error());
    if (!address.is_unix()) address = *bound;  // port 0 is the same for all
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(std::shared_ptr<const config::Config> config)
      : config_(std::move(config)), router_(config_) {}
  ~Impl() { remove_unix_sockets(); }

  Result<void> start();
  void reload();
  void reopen_logs();
  void drain(const std::function<bool()>& hurry);
  void on_drain_asked(std::function<void()> ask) { drain_asked_ = std::move(ask); }
  const std::vector<SocketAddress>& addresses() const { return addresses_; }

 private:
  // Something of a file that is read again while hangup runs.
  struct Reloadable {
    std::string what;  // "certificates of listener public"
    std::function<Result<void>()> reload;
  };

  void open_access();
  Result<void> open_outbox();
  Result<void> open_admin();
  void ask_to_drain();
  std::size_t ask_workers(const std::function<void(const proxy::Proxy&)>& question);
  Result<void> share_descriptors();
  Result<void> listen(downstream::SharedListener& listener);
  Result<void> read_tls(const config::Listener& listener, std::size_t index);
  bool wait_for_exchanges(const std::function<bool()>& hurry);
  void deliver_cleanups(const std::function<bool()>& hurry);
  void remove_unix_sockets();

  std::shared_ptr<const config::Config> config_;
  const proxy::Router router_;
  observe::Loggers loggers_;
  std::unique_ptr<proxy::BearerTokens> tokens_;  // null without `auth`
  std::unique_ptr<cleanup::Outbox> outbox_;
  std::vector<std::unique_ptr<downstream::SharedListener>> listeners_;
  observe::Metrics metrics_;
  std::vector<std::shared_ptr<upstream::SharedUpstream>> upstreams_;  // as the configuration's
  std::mutex workers_mutex_;  // for taking workers away, and asking them from another thread
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<SocketAddress> addresses_;
  std::vector<Reloadable> reloadables_;
  std::atomic<bool> draining_ = false;
  std::function<void()> drain_asked_;
  std::unique_ptr<admin::Admin> admin_;  // asks everybody
};

Result<void> Server::Impl::start() {
  if (auto fit = downstream::self_test(); !fit) return fit;
  auto loggers = observe::open_loggers(config_->access_log, config_->log);
  if (!loggers) return std::unexpected(loggers.error());
  loggers_ = std::move(*loggers);
  if (auto shared = share_descriptors(); !shared) return shared;
  if (auto opened = open_outbox(); !opened) return opened;

  open_access();

  Shared shared{.config = config_,
                .router = router_,
                .tokens = tokens_.get(),
                .upstreams = {},
                .outbox = *outbox_,
                .loggers = loggers_,
                .metrics = metrics_};
  for (const auto& upstream : config_->upstreams) {
    auto made = upstream::make_shared_upstream(upstream);
    if (!made) return std::unexpected(std::move(made.error()));
    if (upstream->has_https()) {
      reloadables_.push_back({"the TLS files of upstream " + upstream->name,
                              [shared = *made] { return upstream::reload_tls(*shared); }});
    }
    upstreams_.push_back(*made);
    shared.upstreams[upstream.get()] = std::move(*made);
  }
  for (unsigned i = 0; i < config_->workers; ++i) workers_.push_back(std::make_unique<Worker>(shared));
  for (const auto& listener : listeners_) {
    if (auto listening = listen(*listener); !listening) return listening;
  }
  if (auto opened = open_admin(); !opened) return opened;
  for (const auto& worker : workers_) worker->start();
  for (std::size_t i = 0; i < addresses_.size(); ++i) {
    loggers_.log->info("listening name={} address={} workers={}", config_->listeners[i].name,
                       addresses_[i].to_string(), workers_.size());
  }
  return {};
}

void Server::Impl::open_access() {
  if (::geteuid() == 0) {
    loggers_.log->warn(
        "hangup runs as root, which it never needs: run it as a user of its own; for ports below 1024 give "
        "that CAP_NET_BIND_SERVICE");
  }
  if (!config_->auth) return;
  tokens_ = std::make_unique<proxy::BearerTokens>(config_->auth->tokens);
  reloadables_.push_back({"the tokens of auth", [this]() -> Result<void> {
                            auto tokens = config::read_tokens(*config_->auth);
                            if (tokens)
                              return static_cast<void>(tokens_->replace(*std::move(tokens))), Result<void>{};
                            std::string faults;
                            for (const Error& fault : tokens.error())
                              faults.append(faults.empty() ? "" : "; ").append(fault.message);
                            return std::unexpected(Error{std::move(faults)});
                          }});
}

Result<void> Server::Impl::open_admin() {
  if (!config_->admin) return {};
  admin::Sources sources{.config = config_,
                         .outbox = *outbox_,
                         .metrics = metrics_,
                         .loggers = loggers_,
                         .upstreams = {upstreams_.begin(), upstreams_.end()},
                         .listeners = {},
                         .draining = [this] { return draining_.load(); },
                         .drain = [this] { ask_to_drain(); },
                         .ask_workers = [this](const auto& question) { return ask_workers(question); }};
  for (const auto& listener : listeners_) sources.listeners.push_back(listener.get());
  auto opened = admin::Admin::open(*config_->admin, std::move(sources));
  if (!opened) return std::unexpected(Error{"admin: " + opened.error().message});
  admin_ = std::move(*opened);
  const SocketAddress& address = admin_->address();
  loggers_.log->info("admin listens at={}", address.to_string());
  if (!address.is_unix() && !address.host().starts_with("127.") && address.host() != "::1") {
    loggers_.log->warn(
        "admin listens at={}, which is not loopback: whoever can connect may see what is in flight, drop "
        "cleanups and end hangup; let a firewall or network policy keep others out",
        address.to_string());
  }
  for (const auto& worker : workers_) worker->watch_lag();
  return {};
}

void Server::Impl::ask_to_drain() {
  if (!draining_.exchange(true) && drain_asked_) drain_asked_();
}

std::size_t Server::Impl::ask_workers(const std::function<void(const proxy::Proxy&)>& question) {
  const std::scoped_lock lock(workers_mutex_);
  for (const auto& worker : workers_) worker->ask(question);
  return workers_.size();
}

// With the cleanups of exchanges that an earlier process died with, each of which gets its line now. The
// lines of attempts are JSON, which has no place among lines of another format.
Result<void> Server::Impl::open_outbox() {
  auto opened =
      cleanup::open_outbox(*config_, config_->access_log.line ? nullptr : loggers_.access, loggers_.log);
  if (!opened) return std::unexpected(opened.error());
  outbox_ = std::move(opened->outbox);
  observe::AccessLog access_log(loggers_.access, config_->access_log);
  observe::WorkerMetrics& counted = metrics_.add();
  for (const cleanup::CrashedExchange& exchange : opened->crashed) {
    observe::AccessRecord record;
    record.start = exchange.started;
    record.request_id = exchange.request_id;
    record.trace_id = exchange.trace_id;
    record.client_ip = exchange.client_ip;
    record.client_port = exchange.client_port;
    record.user = exchange.user;
    record.method = exchange.method;
    record.host = exchange.host;
    record.path = exchange.path;
    record.route = exchange.route;
    record.status = exchange.status;
    record.outcome = Outcome::crashed;
    record.phase = exchange.phase;
    record.upstream = exchange.upstream;
    record.cleanup_ids = exchange.cleanup_ids;
    record.cleanup_skipped = exchange.cleanup_skipped;
    record.error = "hangup died with this exchange in flight";
    access_log.write(record);
    counted.ended_unbegun(counted.route(exchange.route), record);
  }
  if (config_->cleanups.empty()) return {};
  reloadables_.push_back({"the TLS files of cleanups", [this]() -> Result<void> {
                            auto read = cleanup::load_credentials(*config_);
                            if (!read) return std::unexpected(std::move(read.error()));
                            outbox_->use(std::move(*read));
                            return {};
                          }});
  return {};
}

// Says how many connections each listener may have.
Result<void> Server::Impl::share_descriptors() {
  const std::size_t allowed = raise_descriptor_limit();
  const auto plan = plan_descriptors(*config_, allowed);
  if (!plan) return std::unexpected(plan.error());
  for (std::size_t i = 0; i < config_->listeners.size(); ++i) {
    const config::Listener& listener = config_->listeners[i];
    const std::size_t connections = plan->connections[i];
    if (connections < listener.connections.max) {
      loggers_.log->warn(
          "limits.connections lowered name={} from={} to={}: the limit on open files is {}, and all that the "
          "configuration allows needs {}; raise it (LimitNOFILE= of systemd, --ulimit nofile= of Docker) or "
          "lower limits.connections",
          listener.name, listener.connections.max, connections, allowed, plan->needed);
    }
    listeners_.push_back(std::make_unique<downstream::SharedListener>(listener, connections, *loggers_.log));
  }
  return {};
}

Result<void> Server::Impl::listen(downstream::SharedListener& listener) {
  auto sockets = open_sockets(listener.config, workers_.size());
  if (!sockets) return std::unexpected(sockets.error());
  const auto bound = net::local_address(sockets->front());
  if (!bound) return std::unexpected(bound.error());
  addresses_.push_back(*bound);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (auto taken = workers_[i]->listen(listener, std::move((*sockets)[i])); !taken) return taken;
  }
  if (!listener.config.tls) return {};
  const std::size_t index = addresses_.size() - 1;
  reloadables_.push_back({"certificates of listener " + listener.config.name,
                          [this, &config = listener.config, index] { return read_tls(config, index); }});
  return read_tls(listener.config, index);
}

// For all connections that come from now on.
Result<void> Server::Impl::read_tls(const config::Listener& listener, std::size_t index) {
  auto tls = make_listener_tls(listener);
  if (!tls) return std::unexpected(std::move(tls.error()));
  for (const std::string& warning : (*tls)->warnings(std::chrono::system_clock::now())) {
    loggers_.log->warn("listener name={}: {}", listener.name, warning);
  }
  for (const auto& worker : workers_) worker->use_tls(index, *tls);
  return {};
}

void Server::Impl::reload() {
  for (const Reloadable& reloadable : reloadables_) {
    if (auto reloaded = reloadable.reload(); reloaded) {
      loggers_.log->info("reloaded {}", reloadable.what);
    } else {
      loggers_.log->error("cannot reload {}; what was read before stays: {}", reloadable.what,
                          reloaded.error().message);
    }
  }
}

void Server::Impl::reopen_logs() {
  for (const observe::ReopenableLog& file : loggers_.reopenable) {
    if (auto reopened = file.reopen(); reopened) {
      loggers_.log->info("reopened {} path={}", file.name, file.path);
    } else {
      loggers_.log->error("cannot reopen {}; what it wrote to before stays: {}", file.name,
                          reopened.error().message);
    }
  }
}

void Server::Impl::drain(const std::function<bool()>& hurry) {
  loggers_.log->info("draining for up to {}", format_duration(config_->drain));
  draining_.store(true);
  for (const auto& worker : workers_) worker->drain();
  const bool hurried = !wait_for_exchanges(hurry);
  for (const auto& worker : workers_) worker->shut_down();
  {
    const std::scoped_lock lock(workers_mutex_);
    workers_.clear();
  }
  if (!hurried) deliver_cleanups(hurry);
  const cleanup::Counts counts = outbox_->counts();
  loggers_.log->info("stopped; cleanups delivered={} dead={} pending={}", counts.delivered, counts.dead,
                     counts.pending());
}

// False when asked to hurry.
bool Server::Impl::wait_for_exchanges(const std::function<bool()>& hurry) {
  const auto until = std::chrono::steady_clock::now() + config_->drain;
  while (std::chrono::steady_clock::now() < until) {
    if (hurry()) return false;
    if (std::ranges::all_of(workers_, [](const auto& worker) { return worker->idle(); })) return true;
    std::this_thread::sleep_for(ask_again);
  }
  return true;
}

void Server::Impl::deliver_cleanups(const std::function<bool()>& hurry) {
  const auto until = std::chrono::steady_clock::now() + cleanup_patience;
  while (!outbox_->drain(ask_again) && std::chrono::steady_clock::now() < until) {
    if (hurry()) return;
  }
}

void Server::Impl::remove_unix_sockets() {
  for (const SocketAddress& address : addresses_) {
    if (address.is_unix()) ::unlink(reinterpret_cast<const sockaddr_un*>(address.data())->sun_path);
  }
}

Server::Server(std::shared_ptr<const config::Config> config)
    : impl_(std::make_unique<Impl>(std::move(config))) {}
Server::~Server() = default;
void Server::on_drain_asked(std::function<void()> ask) {
  impl_->on_drain_asked(std::move(ask));
}
Result<void> Server::start() {
  return impl_->start();
}
std::vector<SocketAddress> Server::addresses() const {
  return impl_->addresses();
}
void Server::reload() {
  impl_->reload();
}
void Server::reopen_logs() {
  impl_->reopen_logs();
}
void Server::drain(const std::function<bool()>& hurry) {
  impl_->drain(hurry);
}

}  // namespace hangup::app
