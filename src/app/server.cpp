#include "app/crashed_exchanges.h"
#include "app/generation.h"
#include "app/libevent_log.h"
#include "app/next_generation.h"
#include "app/systemd.h"
#include "app/worker.h"

#include <spdlog/spdlog.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <hangup/admin/admin.h>
#include <hangup/app/server.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/cleanup/open.h>
#include <hangup/downstream/front_end.h>
#include <hangup/observe/metrics.h>
#include <hangup/upstream/care.h>

namespace hangup::app {
namespace {

constexpr auto ask_again = std::chrono::milliseconds(50);
// How long cleanups that are still owed are delivered for, once the last exchange has ended.
constexpr auto cleanup_patience = std::chrono::seconds(5);

// How many earlier configurations may have exchanges in flight, and from how many on that is said.
constexpr std::size_t most_generations = 64;
constexpr std::size_t many_generations = 8;
// For all workers to take up a new configuration: they do so within a turn of their loops.
constexpr auto workers_patience = std::chrono::seconds(10);
// For the names of servers, before requests come that need them.
constexpr auto names_patience = std::chrono::seconds(5);

// What only a start can change, as it was at the start.
std::shared_ptr<const config::Config> keep_fixed(const config::Config& read, const config::Config& running,
                                                 spdlog::logger& log) {
  auto kept = std::make_shared<config::Config>(read);
  const auto keep = [&](auto config::Config::* member, std::string_view key) {
    if (read.*member == running.*member) return;
    log.warn("`{}` has changed, which needs a restart; what was read at the start stays", key);
    (*kept).*member = running.*member;
  };
  keep(&config::Config::workers, "workers");
  keep(&config::Config::admin, "admin");
  keep(&config::Config::outbox, "outbox");
  keep(&config::Config::resolver, "resolver");
  return kept;
}

std::vector<std::shared_ptr<upstream::SharedUpstream>> upstreams_of(const Generation& generation) {
  std::vector<std::shared_ptr<upstream::SharedUpstream>> all;
  for (const auto& [config, upstream] : generation.upstreams) all.push_back(upstream);
  return all;
}

std::vector<std::string> texts(const std::vector<config::Problem>& problems,
                               const std::filesystem::path& file) {
  std::vector<std::string> all;
  for (const config::Problem& problem : problems) all.push_back(config::to_string(problem, file));
  return all;
}

}  // namespace

class Server::Impl {
 public:
  Impl(std::shared_ptr<const config::Config> config, std::shared_ptr<const InheritedSockets> inherited)
      : config_(std::move(config)), inherited_(std::move(inherited)) {}
  ~Impl() {
    if (current_) remove_unix_sockets(nullptr);
  }

  Result<void> start();
  bool reload();
  void reopen_logs();
  void drain(const std::function<bool()>& hurry);
  void on_drain_asked(std::function<void()> ask) { drain_asked_ = std::move(ask); }
  bool workers_turn();
  std::vector<SocketAddress> addresses() const;

 private:
  Result<void> open_outbox();
  Result<void> open_admin();
  void ask_to_drain();
  std::size_t ask_workers(const admin::Sources::Question& question);
  std::vector<std::string> try_reload();
  std::vector<std::string> take_over(std::shared_ptr<const config::Config> config);
  Result<void> may_follow(const config::Config& config);
  void use(NextGeneration next);
  void show(std::shared_ptr<const Generation> generation);
  void log_listening(const std::vector<Generation::Listener>& listeners);
  bool wait_for_exchanges(const std::function<bool()>& hurry);
  void deliver_cleanups(const std::function<bool()>& hurry);
  void remove_unix_sockets(const Generation* now);

  std::shared_ptr<const config::Config> config_;
  const std::shared_ptr<const InheritedSockets> inherited_;
  observe::Loggers loggers_;
  std::optional<LibeventLog> libevent_log_;
  std::shared_ptr<const cleanup::Credentials> credentials_;
  std::unique_ptr<cleanup::Outbox> outbox_;
  observe::Metrics metrics_;
  std::shared_ptr<const Generation> current_;
  std::unique_ptr<upstream::Care> care_;
  std::vector<std::weak_ptr<const Generation>> earlier_;  // those that have gone among them
  std::mutex workers_mutex_;  // for taking workers away, and asking them from another thread
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<bool> draining_ = false;
  std::function<void()> drain_asked_;
  std::mutex running_mutex_;
  std::shared_ptr<const admin::Running> running_;  // guarded by running_mutex_
  std::unique_ptr<admin::Admin> admin_;            // asks everybody
};

Result<void> Server::Impl::start() {
  if (auto fit = downstream::self_test(); !fit) return fit;
  auto loggers = observe::open_loggers(config_->access_log, config_->log);
  if (!loggers) return std::unexpected(loggers.error());
  loggers_ = std::move(*loggers);
  libevent_log_.emplace(loggers_.log);
  if (::geteuid() == 0) {
    loggers_.log->warn(
        "hangup runs as root, which it never needs: run it as a user of its own; for ports below 1024 give "
        "that CAP_NET_BIND_SERVICE");
  }
  if (auto opened = open_outbox(); !opened) return opened;
  auto first = make_generation(config_, nullptr, *inherited_, *loggers_.log);
  if (!first) return std::unexpected(std::move(first.error()));
  show(first->generation);
  care_ = std::make_unique<upstream::Care>(config_->resolver, *loggers_.log);
  care_->look_after(upstreams_of(*current_), names_patience);
  const Shared shared{.outbox = *outbox_, .loggers = loggers_, .metrics = metrics_};
  for (Worker::Sockets& sockets : first->sockets)
    workers_.push_back(std::make_unique<Worker>(shared, current_, std::move(sockets)));
  if (auto opened = open_admin(); !opened) return opened;
  for (const auto& worker : workers_) worker->start();
  log_listening(current_->listeners);
  return {};
}

void Server::Impl::log_listening(const std::vector<Generation::Listener>& listeners) {
  for (const Generation::Listener& listener : listeners) {
    loggers_.log->info("listening name={} address={} workers={}", listener.config->name,
                       listener.address.to_string(), workers_.size());
  }
}

std::vector<SocketAddress> Server::Impl::addresses() const {
  std::vector<SocketAddress> all;
  for (const Generation::Listener& listener : current_->listeners) all.push_back(listener.address);
  return all;
}

// From now on this is what is in effect.
void Server::Impl::show(std::shared_ptr<const Generation> generation) {
  auto running = std::make_shared<admin::Running>();
  running->config = generation->config;
  for (const auto& upstream : generation->config->upstreams)
    running->upstreams.push_back(generation->upstreams.at(upstream.get()));
  for (const Generation::Listener& listener : generation->listeners)
    running->listeners.push_back({listener.config->name, listener.shared});
  config_ = generation->config;
  current_ = std::move(generation);
  const std::scoped_lock lock(running_mutex_);
  running_ = std::move(running);
}

Result<void> Server::Impl::open_admin() {
  if (!config_->admin) return {};
  admin::Sources sources{.running =
                             [this] {
                               const std::scoped_lock lock(running_mutex_);
                               return running_;
                             },
                         .outbox = *outbox_,
                         .metrics = metrics_,
                         .loggers = loggers_,
                         .draining = [this] { return draining_.load(); },
                         .drain = [this] { ask_to_drain(); },
                         .ask_workers = [this](const auto& question) { return ask_workers(question); }};
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

std::size_t Server::Impl::ask_workers(const admin::Sources::Question& question) {
  const std::scoped_lock lock(workers_mutex_);
  for (const auto& worker : workers_) worker->ask(question);
  return workers_.size();
}

bool Server::Impl::workers_turn() {
  const std::scoped_lock lock(workers_mutex_);
  bool all = true;
  for (const auto& worker : workers_) all = worker->turns() && all;
  return all;
}

// With the cleanups of exchanges that an earlier process died with, each of which gets its line now.
Result<void> Server::Impl::open_outbox() {
  auto opened = cleanup::open_outbox(*config_, loggers_.attempts, loggers_.log);
  if (!opened) return std::unexpected(opened.error());
  outbox_ = std::move(opened->outbox);
  observe::AccessLog access_log(loggers_.access, config_->access_log);
  log_crashed(opened->crashed, access_log, metrics_.add());
  auto credentials = cleanup::load_credentials(*config_);
  if (!credentials) return std::unexpected(std::move(credentials.error()));
  credentials_ = std::move(*credentials);
  return {};
}

// ---- Reload

bool Server::Impl::reload() {
  const std::vector<std::string> problems = try_reload();
  for (const std::string& problem : problems)
    loggers_.log->error("cannot reload; what was read before stays: {}", problem);
  return problems.empty();
}

std::vector<std::string> Server::Impl::try_reload() {
  auto read = config::load(config_->file);
  if (!read) return texts(read.error(), config_->file);
  if (const auto problems = inherited_->problems(**read); !problems.empty())
    return texts(problems, config_->file);
  if (auto may = may_follow(**read); !may) return {std::move(may.error().message)};
  return take_over(keep_fixed(**read, *config_, *loggers_.log));
}

Result<void> Server::Impl::may_follow(const config::Config& config) {
  if (!config.cleanups.empty() && config_->outbox.store == config::Outbox::Store::sqlite &&
      !outbox_->in_file()) {
    return std::unexpected(Error{
        "`cleanups`: the first ones need an outbox, which is opened at the start only: restart hangup"});
  }
  std::erase_if(earlier_, [](const auto& generation) { return generation.expired(); });
  if (earlier_.size() >= most_generations) {
    return std::unexpected(Error{
        std::to_string(earlier_.size()) +
        " earlier configurations still have exchanges in flight, and no more are kept: let those end (see "
        "/exchanges of the admin listener, and timeouts.total and tunnel of upstreams), or restart hangup"});
  }
  if (earlier_.size() >= many_generations) {
    loggers_.log->warn("{} earlier configurations still have exchanges in flight, and are kept for them",
                       earlier_.size());
  }
  return {};
}

// All that can fail comes first.
std::vector<std::string> Server::Impl::take_over(std::shared_ptr<const config::Config> config) {
  auto logs = observe::reopen(loggers_, config->access_log, config->log);
  if (!logs) return {std::move(logs.error().message)};
  auto credentials = cleanup::load_credentials(*config, credentials_);
  if (!credentials) return {std::move(credentials.error().message)};
  auto next = make_generation(std::move(config), current_.get(), *inherited_, *loggers_.log);
  if (!next) return {std::move(next.error().message)};
  const std::shared_ptr<const config::Config> now = next->generation->config;
  const auto take_over_logs = [&] {
    (*logs)();
    observe::set_levels(loggers_, now->access_log, now->log);
  };
  if (now->access_log.enabled) take_over_logs();
  credentials_ = std::move(*credentials);
  outbox_->use(credentials_);
  use(std::move(*next));
  // Not before workers have handed over the lines that they still had.
  if (!now->access_log.enabled) take_over_logs();
  return {};
}

// New sockets listen already; those that are given up do so until their worker has taken up the new ones.
void Server::Impl::use(NextGeneration next) {
  care_->look_after(upstreams_of(*next.generation), names_patience);
  for (const auto& commit : next.commit) commit();
  std::vector<std::future<void>> taken;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    std::promise<void> done;
    taken.push_back(done.get_future());
    workers_[i]->use(next.generation, std::move(next.sockets[i]),
                     [done = std::move(done)]() mutable { done.set_value(); });
  }
  const auto until = std::chrono::steady_clock::now() + workers_patience;
  const auto missing = std::ranges::count_if(
      taken, [&](const auto& each) { return each.wait_until(until) != std::future_status::ready; });
  if (missing != 0)
    loggers_.log->error("{} workers are stuck, and have not taken up the configuration yet", missing);

  const std::shared_ptr<const Generation> before = current_;
  earlier_.emplace_back(before);
  remove_unix_sockets(next.generation.get());
  show(std::move(next.generation));
  log_listening(next.added);
  for (const Generation::Listener& listener : before->listeners) {
    if (!keeps(*current_, listener))
      loggers_.log->info("no longer listening name={} address={}", listener.config->name,
                         listener.address.to_string());
  }
  loggers_.log->info("reloaded {}", config_->file.string());
}

void Server::Impl::reopen_logs() {
  auto reopened = observe::reopen(loggers_, config_->access_log, config_->log);
  if (!reopened)
    return loggers_.log->error("cannot reopen the logs, which go on as before: {}", reopened.error().message);
  (*reopened)();
  loggers_.log->info("reopened the logs access_log={} log={}",
                     config_->access_log.enabled ? config_->access_log.path : "off", config_->log.path);
}

// Of listeners that `now` does not have; null for nothing at all.
void Server::Impl::remove_unix_sockets(const Generation* now) {
  for (const Generation::Listener& listener : current_->listeners) {
    if (!listener.config->address.is_unix() || !listener.config->inherited.empty()) continue;
    if (now != nullptr && keeps(*now, listener)) continue;
    ::unlink(reinterpret_cast<const sockaddr_un*>(listener.address.data())->sun_path);
  }
}

// ---- The end

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

Server::Server(std::shared_ptr<const config::Config> config,
               std::shared_ptr<const InheritedSockets> inherited)
    : impl_(std::make_unique<Impl>(
          std::move(config), inherited ? std::move(inherited) : std::make_shared<const InheritedSockets>())) {
}
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
bool Server::reload() {
  return impl_->reload();
}
bool Server::workers_turn() {
  return impl_->workers_turn();
}
void Server::reopen_logs() {
  impl_->reopen_logs();
}
void Server::drain(const std::function<bool()>& hurry) {
  impl_->drain(hurry);
}

}  // namespace hangup::app
