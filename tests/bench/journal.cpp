// What noting an exchange in flight costs the proxying thread: enter, four changes of phase, one replacement
// and leave, by the mechanisms that were considered. Usage: bench_journal [DIRECTORY] [EXCHANGES]
//
// The SQLite way is measured for what the calling thread has to do whatever the other one does: copy the
// snapshot into a queue and wake that thread, for enter, replace and leave (phases can't be queued one by
// one).
#include "cleanup/journal.h"

#include "cleanup/sqlite.h"

#include <fcntl.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace hangup;
using cleanup::InFlightJournal;

constexpr std::array phases = {Phase::connecting, Phase::sending_request, Phase::awaiting_response,
                               Phase::streaming_response};

// One pwrite for each change, to a slot of its own.
class PwriteJournal final : public InFlightJournal {
 public:
  explicit PwriteJournal(const std::filesystem::path& path)
      : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  ~PwriteJournal() override { ::close(file_); }
  Entry enter(std::string_view snapshot) override {
    const Entry slot = next_++ % 1000 + 1;
    put(snapshot.data(), snapshot.size(), slot, 8);
    mark(slot);
    return slot;
  }
  Entry replace(Entry, std::string_view snapshot) override { return enter(snapshot); }
  void set_phase(Entry entry, Phase) override { mark(entry); }
  void set_finishing(Entry entry, bool) override { mark(entry); }
  void leave(Entry entry) override { mark(entry); }

 private:
  void mark(Entry slot) {
    const std::uint64_t state = next_;
    put(&state, sizeof state, slot, 0);
  }
  void put(const void* bytes, std::size_t size, Entry slot, std::size_t offset) {
    if (::pwrite(file_, bytes, size, static_cast<off_t>(slot * 1024 + offset)) < 0) std::abort();
  }
  int file_;
  Entry next_ = 1;
};

class SqliteJournal final : public InFlightJournal {
 public:
  explicit SqliteJournal(const std::filesystem::path& path) {
    database_.open(path, true);
    database_.execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
        "CREATE TABLE IF NOT EXISTS flights (id INTEGER PRIMARY KEY, snapshot BLOB)");
    thread_ = std::thread([this] { run(); });
  }
  ~SqliteJournal() override {
    push({.entry = none, .snapshot = {}});
    thread_.join();
  }
  Entry enter(std::string_view snapshot) override {
    push({.entry = ++next_, .snapshot = std::string(snapshot)});
    return next_;
  }
  Entry replace(Entry entry, std::string_view snapshot) override {
    push({.entry = entry, .snapshot = std::string(snapshot)});
    return entry;
  }
  void set_phase(Entry, Phase) override {}
  void set_finishing(Entry, bool) override {}
  void leave(Entry entry) override { push({.entry = entry, .snapshot = {}}); }

 private:
  struct Change {
    Entry entry;
    std::string snapshot;
  };
  void push(Change change) {
    {
      const std::scoped_lock lock(mutex_);
      queue_.push_back(std::move(change));
    }
    work_.notify_one();
  }
  void run() {
    cleanup::Statement put(database_, "INSERT OR REPLACE INTO flights VALUES (?, ?)");
    cleanup::Statement drop(database_, "DELETE FROM flights WHERE id = ?");
    for (;;) {
      std::vector<Change> changes;
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [this] { return !queue_.empty(); });
        changes.swap(queue_);
      }
      database_.execute("BEGIN");
      for (const Change& change : changes) {
        const auto id = static_cast<std::int64_t>(change.entry);
        if (change.snapshot.empty()) {
          drop.bind(id).run();
        } else {
          put.bind(id).bind_blob(change.snapshot).run();
        }
      }
      database_.execute("COMMIT");
      if (changes.back().entry == none) return;
    }
  }
  cleanup::Database database_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<Change> queue_;
  Entry next_ = none;
  std::thread thread_;
};

void measure(const char* name, InFlightJournal& journal, int exchanges, std::size_t bytes) {
  const std::string first(bytes, 'a');
  const std::string second(bytes + 100, 'b');
  std::vector<std::int64_t> times;
  times.reserve(static_cast<std::size_t>(exchanges));
  for (int i = 0; i < exchanges; ++i) {
    const auto start = std::chrono::steady_clock::now();
    auto entry = journal.enter(first);
    for (const Phase phase : phases) journal.set_phase(entry, phase);
    entry = journal.replace(entry, second);
    journal.leave(entry);
    times.push_back((std::chrono::steady_clock::now() - start).count());
  }
  std::int64_t sum = 0;
  for (const auto time : times) sum += time;
  std::ranges::sort(times);
  const auto at = [&](double part) {
    return static_cast<double>(
               times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))]) /
           1000;
  };
  std::printf("%-8s %5zu bytes: mean %6.2f us, p50 %6.2f, p99 %6.2f, max %8.2f\n", name, bytes,
              static_cast<double>(sum) / static_cast<double>(times.size()) / 1000, at(0.5), at(0.99), at(1));
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path base = argc > 1 ? argv[1] : ".";
  const int exchanges = argc > 2 ? std::atoi(argv[2]) : 100'000;
  const auto log = std::make_shared<spdlog::logger>("bench", std::make_shared<spdlog::sinks::null_sink_mt>());
  const SystemClock clock;
  for (const std::size_t bytes : {500U, 4000U}) {
    {
      cleanup::MappedJournal journal(base / "bench-journal-mapped", {}, clock, log);
      measure("mapped", journal, exchanges, bytes);
    }
    {
      PwriteJournal journal(base / "bench-journal-pwrite");
      measure("pwrite", journal, exchanges, std::min<std::size_t>(bytes, 900));
    }
    {
      SqliteJournal journal(base / "bench-journal.db");
      measure("sqlite", journal, exchanges, bytes);
    }
  }
  for (const char* name :
       {"bench-journal-pwrite", "bench-journal.db", "bench-journal.db-wal", "bench-journal.db-shm"})
    std::filesystem::remove(base / name);
}
