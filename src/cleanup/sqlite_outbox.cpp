#include "cleanup/sqlite_outbox.h"

#include "cleanup/dispatcher.h"
#include "cleanup/durable_store.h"
#include "cleanup/http_sender.h"
#include "cleanup/journal.h"
#include "cleanup/ledger.h"
#include "cleanup/recorder.h"
#include "cleanup/recovery.h"
#include "cleanup/spool.h"

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <unordered_set>
#include <utility>

#include <hangup/net/event_loop.h>

namespace hangup::cleanup {
namespace {

// How long what became of deliveries may wait for more of it, to be written together.
constexpr auto gather = std::chrono::milliseconds(5);
constexpr auto last_patience = std::chrono::seconds(3);
constexpr auto try_again_after = std::chrono::seconds(1);
// How long the disk may take before that is trouble.
constexpr auto stall = std::chrono::seconds(5);
// How long a journal's trouble counts: only exchanges find out whether it is over, and there may be none for
// a process that says it is not ready.
constexpr auto fade = std::chrono::seconds(5);

Random make_random() {
  return [engine = std::mt19937_64(std::random_device{}())](std::uint64_t max) mutable {
    return std::uniform_int_distribution<std::uint64_t>(0, max)(engine);
  };
}

std::size_t size_of(const std::vector<Delivery>& deliveries) {
  std::size_t bytes = 0;
  for (const Delivery& delivery : deliveries) bytes += 512 + delivery.url.size() + delivery.body.size();
  return bytes;
}

}  // namespace

class SqliteOutbox::Impl {
 public:
  Impl(Options options, std::shared_ptr<const Credentials> credentials,
       std::shared_ptr<spdlog::logger> access_log, std::shared_ptr<spdlog::logger> log)
      : options_(std::move(options)),
        log_(std::move(log)),
        store_({.path = options_.path, .keep_delivered = options_.keep_delivered, .window = {}}, loop_, log_),
        spool_(options_.path),
        ledger_(loop_, std::move(access_log), log_),
        recorder_(ledger_, loop_, [this](DurableStore::Update update) { queue(std::move(update)); }),
        sender_(loop_, std::move(credentials)),
        dispatcher_(loop_, sender_, recorder_, {.per_receiver = options_.concurrency}, make_random()) {}
  ~Impl();

  Result<std::vector<CrashedExchange>> open(const config::Config& config);
  void start();
  void add(std::vector<Delivery> deliveries);
  std::string trouble() const;
  std::unique_ptr<InFlightJournal> make_journal();
  void use(std::shared_ptr<const Credentials> credentials) {
    loop_.post([this, credentials = std::move(credentials)] { sender_.use(credentials); });
  }
  const Ledger& ledger() const { return ledger_; }
  std::optional<WallTime> oldest_pending() const;

 private:
  // What the store's thread takes at once.
  struct Queue {
    DurableStore::Input input;
    std::size_t deliveries = 0;
    std::size_t bytes = 0;
    bool rescued = false;  // input.rescued is all of it
    bool empty() const { return input.exchanges.empty() && input.updates.empty() && input.rescued.empty(); }
  };

  void queue(DurableStore::Update update);
  std::vector<CrashedExchange> recover_crashed(const config::Config& config, DurableStore::Input& input);
  void run_store();
  void finish();
  bool wait_for_work(Queue& work);
  void take_turn(DurableStore::Input input);
  void carry_out(DurableStore::Output output);
  void post(DurableStore::Output output);
  void rescue();
  void note_spool(const std::string& trouble);
  void try_spool();

  const Options options_;
  std::shared_ptr<spdlog::logger> log_;
  net::EventLoop loop_;

  // The store's thread, once it runs.
  DurableStore store_;
  bool rescuing_ = false;                             // what the lost file had is not back yet
  std::vector<std::filesystem::path> read_journals_;  // to be removed once what they held is committed

  mutable std::mutex mutex_;
  std::condition_variable work_;
  Queue queue_;  // these are guarded by mutex_
  Spool spool_;
  std::string spool_trouble_;
  std::string store_trouble_;
  struct JournalTrouble {
    std::string what;
    MonoTime found;
  };
  std::map<unsigned, JournalTrouble> journal_troubles_;
  std::optional<MonoTime> turn_began_;  // of the store's thread
  MonoTime try_spool_at_{};
  std::optional<MonoTime> gathering_until_;
  bool stopping_ = false;

  Ledger ledger_;
  Recorder recorder_;
  HttpSender sender_;
  Dispatcher dispatcher_;  // the sender's calls end with the loop, so that it may go first

  unsigned journals_ = 0;

  std::thread loop_thread_;
  std::thread store_thread_;
};

// ---- At the start

Result<std::vector<CrashedExchange>> SqliteOutbox::Impl::open(const config::Config& config) {
  DurableStore::Output found;
  if (auto opened = store_.open(found); !opened) return std::unexpected(opened.error());
  Spool::Found spooled = spool_.read();
  if (spooled.torn > 0) {
    log_->warn(
        "outbox: {} bytes at the end of its spool are no whole record, as after a crash while it was written",
        spooled.torn);
  }
  note_spool(spool_.trouble());
  DurableStore::Input input;
  input.exchanges = std::move(spooled.exchanges);
  auto crashed = recover_crashed(config, input);
  std::uint64_t added = 0;
  for (const auto& exchange : input.exchanges) added += exchange.size();
  ledger_.restored(added);
  if (added += found.found; added > 0)
    log_->info("outbox: {} cleanups are pending from before path={}", added, options_.path.string());
  carry_out(std::move(found));
  take_turn(std::move(input));
  if (store_.all_saved()) spool_.clear();
  return crashed;
}

// Adds what the exchanges owe that were in flight when an earlier process died.
std::vector<CrashedExchange> SqliteOutbox::Impl::recover_crashed(const config::Config& config,
                                                                 DurableStore::Input& input) {
  std::unordered_set<std::string> spooled;
  for (const auto& exchange : input.exchanges) spooled.insert(exchange.front().request_id);
  std::vector<CrashedExchange> crashed;
  for (LeftJournal& journal : read_left_journals(options_.path)) {
    if (!journal.trouble.empty()) {
      log_->error("in-flight journal: can't read {}: {}: it is left for a later start", journal.path.string(),
                  journal.trouble);
      continue;
    }
    if (journal.damaged > 0)
      log_->warn("in-flight journal: {} records of {} are not whole", journal.damaged, journal.path.string());
    for (const Leftover& leftover : journal.entries) {
      if (leftover.finishing) continue;
      auto recovered = recover(leftover, config, store_.last_sign(), *log_);
      if (!recovered) continue;
      const std::string& id = recovered->exchange.id;
      if (spooled.contains(id) || store_.knows_exchange(id)) continue;  // it had ended before
      if (!recovered->deliveries.empty()) {
        spool_.append(recovered->deliveries);  // or the next death would count as this one
        input.exchanges.push_back(std::move(recovered->deliveries));
      }
      crashed.push_back(std::move(recovered->exchange));
    }
    read_journals_.push_back(std::move(journal.path));
  }
  return crashed;
}

void SqliteOutbox::Impl::start() {
  loop_thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "hangup-cleanup");
    loop_.run();
  });
  store_thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "hangup-store");
    run_store();
  });
}

// The dispatcher first, so that the store learns all that it did.
SqliteOutbox::Impl::~Impl() {
  if (!loop_thread_.joinable()) return;  // never started
  loop_.stop();                          // comes after every add()
  loop_thread_.join();
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  store_thread_.join();
  const std::uint64_t pending = ledger_.counts().pending();
  if (pending == 0) return;
  if (store_.all_saved()) {
    log_->info("outbox: {} cleanups are kept for the next start path={}", pending, options_.path.string());
  } else {
    log_->error("outbox: {} of {} pending cleanups are only in its spool, or lost: {}", store_.unsaved(),
                pending, trouble());
  }
}

// ---- Any thread

void SqliteOutbox::Impl::add(std::vector<Delivery> deliveries) {
  if (deliveries.empty()) return;
  for (const Delivery& delivery : deliveries) ledger_.admit(delivery);
  const std::size_t bytes = size_of(deliveries);
  bool room = false;
  {
    const std::scoped_lock lock(mutex_);
    room = queue_.deliveries + deliveries.size() <= options_.queue_deliveries &&
           queue_.bytes + bytes <= options_.queue_bytes;
    if (room) {
      spool_.append(deliveries);
      note_spool(spool_.trouble());
      queue_.deliveries += deliveries.size();
      queue_.bytes += bytes;
      queue_.input.exchanges.push_back(std::move(deliveries));
    }
  }
  if (room) return work_.notify_one();
  for (const Delivery& delivery : deliveries)
    ledger_.dead(delivery, std::nullopt, "the outbox's disk does not keep up, and its queue is full", 0);
}

// Under the mutex. To leave it to the next cleanup would keep hangup from being ready for one.
void SqliteOutbox::Impl::try_spool() {
  try_spool_at_ = loop_.now() + try_again_after;
  Spool::Found found = spool_.try_again();
  note_spool(spool_.trouble());
  for (auto& exchange : found.exchanges) {
    ledger_.restored(exchange.size());
    queue_.input.exchanges.push_back(std::move(exchange));
  }
}

// Under the mutex.
void SqliteOutbox::Impl::note_spool(const std::string& trouble) {
  if (trouble.empty() != spool_trouble_.empty()) {
    if (trouble.empty()) {
      log_->warn("outbox: its spool works again");
    } else {
      log_->error("outbox: {}: a cleanup that is not committed yet is lost if hangup is killed", trouble);
    }
  }
  spool_trouble_ = trouble;
}

void SqliteOutbox::Impl::queue(DurableStore::Update update) {
  {
    const std::scoped_lock lock(mutex_);
    queue_.input.updates.push_back(std::move(update));
    if (gathering_until_) return;
    gathering_until_ = std::chrono::steady_clock::now() + gather;
  }
  work_.notify_one();
}

std::string SqliteOutbox::Impl::trouble() const {
  const std::scoped_lock lock(mutex_);
  if (!store_trouble_.empty()) return store_trouble_;
  if (turn_began_ && loop_.now() - *turn_began_ > stall)
    return fmt::format("{}: the disk has not answered for some seconds", options_.path.string());
  if (!spool_trouble_.empty()) return spool_trouble_;
  for (const auto& [journal, trouble] : journal_troubles_) {
    if (loop_.now() - trouble.found < fade) return trouble.what;
  }
  return {};
}

// What waits for the disk is not at the dispatcher yet.
std::optional<WallTime> SqliteOutbox::Impl::oldest_pending() const {
  const std::optional<WallTime> sent = dispatcher_.oldest();
  const std::scoped_lock lock(mutex_);
  if (queue_.input.exchanges.empty()) return sent;
  const WallTime queued = queue_.input.exchanges.front().front().created;
  return sent ? std::min(*sent, queued) : queued;
}

std::unique_ptr<InFlightJournal> SqliteOutbox::Impl::make_journal() {
  if (!options_.in_flight_journal) return nullptr;
  const auto tell = [this, number = journals_++](std::string_view trouble) {
    const std::scoped_lock lock(mutex_);
    if (trouble.empty()) {
      journal_troubles_.erase(number);
    } else {
      journal_troubles_[number] = {fmt::format("in-flight journal: {}", trouble), loop_.now()};
    }
  };
  return std::make_unique<MappedJournal>(journal_base(options_.path), MappedJournal::Limits{}, loop_, log_,
                                         tell);
}

// ---- The store's thread

void SqliteOutbox::Impl::run_store() {
  for (;;) {
    Queue work;
    const bool last = wait_for_work(work);
    if (work.rescued) rescuing_ = false;
    take_turn(std::move(work.input));
    if (last) return finish();
  }
}

// For a while, what is not written yet is tried again: what became of a delivery, if it is not stored, is to
// be found out once more by the next process.
void SqliteOutbox::Impl::finish() {
  const auto until = std::chrono::steady_clock::now() + last_patience;
  while (!store_.all_written() && store_.next_turn() < until) {
    std::this_thread::sleep_until(store_.next_turn());
    take_turn({});
  }
  const std::scoped_lock lock(mutex_);
  if (store_.unsaved() == 0 && !rescuing_) spool_.clear();
}

// Takes all there is; true when it is the last.
bool SqliteOutbox::Impl::wait_for_work(Queue& work) {
  std::unique_lock lock(mutex_);
  const auto due = [this] {
    return stopping_ || !queue_.input.exchanges.empty() || queue_.rescued ||
           (gathering_until_ && *gathering_until_ <= std::chrono::steady_clock::now());
  };
  while (!due()) {
    const MonoTime next = store_.next_turn();
    const MonoTime until = gathering_until_ ? std::min(next, *gathering_until_) : next;
    if (work_.wait_until(lock, until) == std::cv_status::timeout && next <= std::chrono::steady_clock::now())
      break;
  }
  std::swap(work, queue_);
  gathering_until_.reset();
  spool_.flip();
  return stopping_;
}

void SqliteOutbox::Impl::take_turn(DurableStore::Input input) {
  {
    const std::scoped_lock lock(mutex_);
    turn_began_ = loop_.now();
  }
  DurableStore::Output output = store_.turn(std::move(input));
  // Or delivered from memory, where the file is in trouble.
  const bool saved = store_.unsaved() == 0 && !rescuing_ && !output.rescue;
  // Only this thread touches the file that is not appended to, and nobody is to wait for the disk.
  if (saved) spool_.commit_done();
  {
    const std::scoped_lock lock(mutex_);
    turn_began_.reset();
    store_trouble_ = store_.trouble();
    if (!spool_trouble_.empty() && loop_.now() >= try_spool_at_) try_spool();
  }
  if (saved) {
    std::error_code ignored;
    for (const auto& journal : read_journals_) std::filesystem::remove(journal, ignored);
    read_journals_.clear();
  }
  carry_out(std::move(output));
}

void SqliteOutbox::Impl::carry_out(DurableStore::Output output) {
  for (const Delivery& delivery : output.given_up)
    ledger_.dead(delivery, std::nullopt, "the outbox can't be written, and there is no more room in memory",
                 0);
  for (const Delivery& delivery : output.unreadable)
    ledger_.dead(delivery, std::nullopt, "what the outbox holds of it is damaged", 0);
  ledger_.restored(output.found);
  ledger_.gone(output.gone);
  const bool rescue_too = output.rescue;
  if (rescue_too) rescuing_ = true;
  if (!output.send.empty() || !output.forget.empty() || !output.retry_now.empty()) post(std::move(output));
  if (rescue_too) loop_.post([this] { rescue(); });  // with what has just been sent
}

void SqliteOutbox::Impl::post(DurableStore::Output output) {
  loop_.post([this, output = std::move(output)]() mutable {
    for (auto& each : output.send) dispatcher_.add(std::move(each.delivery), each.attempts, each.wait);
    for (const std::string& id : output.forget) {
      const bool reported = recorder_.is_under_way(id);
      if (dispatcher_.forget(id) && !reported) ledger_.gone(1);
    }
    for (const std::string& id : output.retry_now) dispatcher_.retry_now(id);
  });
}

// On the dispatcher's thread: gives the store what it has lost.
void SqliteOutbox::Impl::rescue() {
  {
    const std::scoped_lock lock(mutex_);
    for (const Delivery* delivery : dispatcher_.pending()) queue_.input.rescued.push_back(*delivery);
    queue_.rescued = true;
  }
  work_.notify_one();
}

// ---- The outside

SqliteOutbox::SqliteOutbox(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteOutbox::~SqliteOutbox() = default;

Result<SqliteOutbox::Opened> SqliteOutbox::open(Options options, const config::Config& config,
                                                std::shared_ptr<spdlog::logger> access_log,
                                                std::shared_ptr<spdlog::logger> log) {
  auto credentials = load_credentials(config);
  if (!credentials) return std::unexpected(std::move(credentials.error()));
  auto impl = std::make_unique<Impl>(std::move(options), *std::move(credentials), std::move(access_log),
                                     std::move(log));
  auto crashed = impl->open(config);
  if (!crashed) return std::unexpected(crashed.error());
  impl->start();
  return Opened{.outbox = std::unique_ptr<SqliteOutbox>(new SqliteOutbox(std::move(impl))),
                .crashed = *std::move(crashed)};
}

void SqliteOutbox::add(std::vector<Delivery> deliveries) {
  impl_->add(std::move(deliveries));
}
Counts SqliteOutbox::counts() const {
  return impl_->ledger().counts();
}
std::map<std::string, CleanupCounts> SqliteOutbox::counts_by_cleanup() const {
  return impl_->ledger().counts_by_cleanup();
}
std::optional<WallTime> SqliteOutbox::oldest_pending() const {
  return impl_->oldest_pending();
}
std::string SqliteOutbox::trouble() const {
  return impl_->trouble();
}
bool SqliteOutbox::drain(Duration patience) {
  return impl_->ledger().wait_settled(patience);
}
void SqliteOutbox::use(std::shared_ptr<const Credentials> credentials) {
  impl_->use(std::move(credentials));
}
std::unique_ptr<InFlightJournal> SqliteOutbox::make_journal() {
  return impl_->make_journal();
}

}  // namespace hangup::cleanup
