// What the outbox's thread does with its file: writes what was added and what became of it, loads what has
// room, prunes, sees what operators changed, and copes when any of it fails. No threads, no network; the
// files are real.
#pragma once

#include "cleanup/delivery_table.h"
#include "cleanup/load_window.h"
#include "cleanup/lock_file.h"

#include <spdlog/fwd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/cleanup/cleanup.h>

namespace hangup::cleanup {

// Threading: one thread at a time.
class DurableStore {
 public:
  struct Options {
    std::filesystem::path path;
    std::optional<Duration> keep_delivered;
    LoadWindow::Limits window;
    // What is kept in memory while the file can't be written. Beyond that, a new delivery is a dead letter.
    std::size_t memory_deliveries = 100'000;
    std::size_t memory_bytes = 64 * 1024 * 1024;
  };
  struct Update {
    std::string id;
    Standing standing;
  };
  // For one turn.
  struct Input {
    std::vector<std::vector<Delivery>> exchanges;  // added
    std::vector<Update> updates;                   // in the order in which they happened
    std::vector<Delivery> rescued;                 // what Output::rescue asked for
  };
  struct ToSend {
    Delivery delivery;
    unsigned attempts = 0;
    Duration wait{};
  };
  struct Output {
    std::vector<ToSend> send;            // committed, unless the store is in trouble
    std::vector<std::string> forget;     // dropped by an operator; not in `gone`
    std::vector<std::string> retry_now;  // by an operator
    std::vector<Delivery> given_up;      // there was no room in memory
    std::vector<Delivery> unreadable;    // rows with a damaged delivery: its id, cleanup and request id
    std::uint64_t found = 0;  // pending that nobody counted yet: in the file, revived by an operator
    std::uint64_t gone = 0;   // pending that are no longer: dropped, or lost with a damaged file
    // The file was lost: what the dispatcher holds is to come back as Input::rescued.
    bool rescue = false;
  };

  DurableStore(Options options, const Clock& clock, std::shared_ptr<spdlog::logger> log);

  // At the start. The Error is a reason not to start: somebody else works with the file, or it is to be left
  // alone. Whatever else is wrong is trouble, and tried again in turn().
  Result<void> open(Output& output);
  Output turn(Input input);
  // When the next turn is due though there is no input.
  MonoTime next_turn() const;

  // Everything of earlier turns is committed.
  bool all_saved() const { return unsaved_.empty() && table_.is_open(); }
  // And what became of them too.
  bool all_written() const { return all_saved() && updates_.empty(); }
  std::size_t unsaved() const { return unsaved_.size(); }
  const std::string& trouble() const { return trouble_; }
  // When an earlier process that worked with the file is known to have lived last; now if nothing is known.
  WallTime last_sign() const { return lock_ ? std::min(lock_->last_sign(), clock_.wall()) : clock_.wall(); }
  // The file knows an exchange; false also when it can't be asked.
  bool knows_exchange(const std::string& request_id);
  // How many are not delivered, as far as known.
  std::uint64_t waiting_in_file() const { return waiting_in_file_; }

 private:
  struct Unsaved {
    Delivery delivery;
    Standing standing;
    std::size_t bytes = 0;
  };
  using Exchanges = std::vector<std::vector<Delivery>>;

  Result<void> try_open(Output& output);
  void first_look(Output& output);
  void look_for_lanes();

  void give_sign();
  void absorb(Input& input);
  bool remember(const Delivery& delivery, const Standing& standing);
  void note(const Update& update);
  void keep_in_memory(Exchanges exchanges, Output& output);
  void send_new(Delivery delivery, Output& output);

  bool write(const Exchanges& exchanges, Output& output);
  std::vector<std::string> insert_unsaved();
  void carry_out(const std::vector<DeliveryTable::Change>& changes, Output& output);
  void dispatch(Exchanges exchanges, Output& output);

  void look_after(Output& output);
  void fill(const std::string& lane, Output& output);
  void load_next_turn(const std::string& ended, Output& output);
  bool may_load(const DeliveryTable::Key& key);
  void load(DeliveryTable::Row row, Output& output);
  void prune();

  void fail(Output& output);
  void set_aside(const std::string& why, Output& output);
  void lose_file(Output& output);
  void enter_trouble(std::string what);
  void leave_trouble(std::size_t waited);

  const Options options_;
  const Clock& clock_;
  std::shared_ptr<spdlog::logger> log_;

  std::optional<LockFile> lock_;
  DeliveryTable table_;
  LoadWindow window_;
  bool looked_ = false;                 // the file has been looked through for what waits in it
  std::optional<std::string> look_on_;  // there may be more lanes after this one
  std::uint64_t waiting_in_file_ = 0;   // and not in memory too

  std::unordered_map<std::string, Unsaved> unsaved_;  // in memory only
  std::size_t unsaved_bytes_ = 0;
  std::unordered_map<std::string, Standing> updates_;  // not written yet; the latest of each
  std::unordered_set<std::string> duplicates_;         // were there already, in this turn's transaction

  std::string trouble_;
  MonoTime retry_at_{};
  MonoTime poll_at_{};
  MonoTime sign_at_{};
  MonoTime prune_at_{};
  std::optional<MonoTime> set_aside_at_;
};

}  // namespace hangup::cleanup
