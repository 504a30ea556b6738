// The in-flight journal: a file of slots that is mapped into memory, one for each worker. Noting an exchange
// is some stores to memory; the kernel keeps the pages when the process dies, however it dies. (When the
// machine dies the journal may be lost: what counts then is what clients and servers can see by themselves.)
//
// The file is a header and slots of equal size. A record that is longer than a slot's room goes on in others,
// which its first one names. What makes a record count is the state word of its first slot, which is stored
// last; phase and finishing are bits of the same word, so that each change of them is one store. Space is
// reserved before it is written, so that a full disk is an error here and never a SIGBUS.
#pragma once

#include <spdlog/fwd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/base/clock.h>
#include <hangup/base/error.h>
#include <hangup/base/outcome.h>
#include <hangup/cleanup/cleanup.h>
#include <hangup/net/fd.h>

namespace hangup::cleanup {

// Threading: belongs to its worker's thread.
class MappedJournal final : public InFlightJournal {
 public:
  struct Limits {
    std::size_t first_bytes = 1024 * 1024;       // of the file; it grows by doubling
    std::size_t most_bytes = 128 * 1024 * 1024;  // beyond that, further exchanges are not noted
    std::size_t record_bytes = 128 * 1024;       // a longer snapshot is not noted
  };
  // The file is "<base>-<n>" with the first n that is free, and goes with the journal. When it can't be made,
  // that is logged, and tried again with later exchanges.
  // `tell`, which may be null, is called with what is wrong, each time that is found, and with "" when it is
  // found to be over.
  MappedJournal(std::filesystem::path base, Limits limits, const Clock& clock,
                std::shared_ptr<spdlog::logger> log, std::function<void(std::string_view)> tell = {});
  ~MappedJournal() override;
  MappedJournal(const MappedJournal&) = delete;
  MappedJournal& operator=(const MappedJournal&) = delete;

  Entry enter(std::string_view snapshot) override;
  Entry replace(Entry entry, std::string_view snapshot) override;
  void set_phase(Entry entry, Phase phase) override;
  void set_finishing(Entry entry, bool finishing) override;
  void leave(Entry entry) override;

 private:
  struct Slot;
  bool is_open() const { return slots_ != nullptr; }
  bool ready();
  Result<void> open();
  Result<void> grow(std::size_t bytes);
  Entry write(std::string_view snapshot, std::uint32_t state);
  void store_state(Entry entry, std::uint32_t state);
  std::uint32_t state_of(Entry entry) const;
  void complain(const std::string& what);
  void recover();

  const std::filesystem::path base_;
  const Limits limits_;
  const Clock& clock_;
  std::shared_ptr<spdlog::logger> log_;
  const std::function<void(std::string_view)> tell_;

  std::filesystem::path path_;
  net::Fd file_;
  Slot* slots_ = nullptr;  // the mapping: most_bytes of address space, of which the file backs a part
  std::size_t slot_count_ = 0;
  std::vector<std::uint32_t> free_;
  std::uint32_t generation_ = 0;
  std::optional<MonoTime> retry_at_;  // after trouble
  bool too_long_ = false;             // a snapshot was, which is logged once
};

// What an earlier process left.
struct Leftover {
  std::string snapshot;
  Phase phase = Phase::reading_request;
  bool finishing = false;
};
struct LeftJournal {
  std::filesystem::path path;
  std::vector<Leftover> entries;  // of the exchanges that were in flight, each once
  std::size_t damaged = 0;        // slots that make no whole record
  std::string trouble;            // why it can't be read; it is then to be kept for a later start
};
// The journals named "<outbox path>.inflight-..." that no living process holds.
std::vector<LeftJournal> read_left_journals(const std::filesystem::path& outbox);

// "<outbox path>.inflight-<pid>"
std::filesystem::path journal_base(const std::filesystem::path& outbox);

}  // namespace hangup::cleanup
