#include "cleanup/journal.h"

#include "cleanup/checksum.h"
#include "cleanup/journal_format.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ranges>
#include <utility>

namespace hangup::cleanup {
namespace {

using namespace journal_format;

constexpr auto retry_after = std::chrono::seconds(1);

Error system_error(const char* what, const std::filesystem::path& path, int error) {
  return Error{fmt::format("can't {} {}: {}", what, path.string(), std::strerror(error))};
}

}  // namespace

struct MappedJournal::Slot : journal_format::Slot {};

std::filesystem::path journal_base(const std::filesystem::path& outbox) {
  return fmt::format("{}.inflight-{}", outbox.string(), ::getpid());
}

MappedJournal::MappedJournal(std::filesystem::path base, Limits limits, const Clock& clock,
                             std::shared_ptr<spdlog::logger> log, std::function<void(std::string_view)> tell)
    : base_(std::move(base)), limits_(limits), clock_(clock), log_(std::move(log)), tell_(std::move(tell)) {
  if (auto opened = open(); !opened) complain(opened.error().message);
}

// An exchange that is still noted stays in the file, for the next start.
MappedJournal::~MappedJournal() {
  if (!is_open()) return;
  const bool empty =
      std::ranges::none_of(std::views::iota(std::uint32_t{1}, static_cast<std::uint32_t>(slot_count_)),
                           [this](std::uint32_t slot) { return slots_[slot].load() != 0; });
  ::munmap(slots_, limits_.most_bytes);
  if (empty) ::unlink(path_.c_str());
}

bool MappedJournal::ready() {
  if (is_open()) return true;
  if (retry_at_ && clock_.now() < *retry_at_) return false;
  if (auto opened = open(); !opened) {
    complain(opened.error().message);
    return false;
  }
  recover();
  return true;
}

void MappedJournal::complain(const std::string& what) {
  if (!retry_at_) {
    log_->error("in-flight journal: {}: an exchange that is not noted has no cleanup if hangup dies", what);
  }
  if (tell_) tell_(what);
  retry_at_ = clock_.now() + retry_after;
}

void MappedJournal::recover() {
  retry_at_.reset();
  log_->warn("in-flight journal: {} works again", path_.string());
  if (tell_) tell_({});
}

Result<void> MappedJournal::open() {
  net::Fd file;
  for (unsigned n = 0; !file; ++n) {
    path_ = fmt::format("{}-{}", base_.string(), n);
    file = net::Fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file && errno != EEXIST) return std::unexpected(system_error("make", path_, errno));
  }
  // Held as long as the process lives: who reads what was left leaves this one alone.
  ::flock(file.get(), LOCK_EX | LOCK_NB);
  file_ = std::move(file);
  slot_count_ = 0;
  const auto failed = [this](Error error) -> Result<void> {
    ::unlink(path_.c_str());
    file_.reset();
    return std::unexpected(std::move(error));
  };
  if (auto grown = grow(limits_.first_bytes); !grown) return failed(grown.error());
  void* mapping = ::mmap(nullptr, limits_.most_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
  if (mapping == MAP_FAILED) return failed(system_error("map", path_, errno));
  slots_ = static_cast<Slot*>(mapping);
  auto* header = reinterpret_cast<Header*>(slots_);
  *header = {.magic = magic, .version = version, .slot_bytes = sizeof(Slot)};
  return {};
}

// To so many bytes, all of them reserved on the disk.
Result<void> MappedJournal::grow(std::size_t bytes) {
  if (const int error = ::posix_fallocate(file_.get(), 0, static_cast<off_t>(bytes)); error != 0)
    return std::unexpected(system_error("reserve space in", path_, error));
  const std::size_t slots = bytes / sizeof(Slot);
  // The last ones first, so that those at the front are used first; slot 0 is the header.
  for (std::size_t slot = slots; slot > std::max<std::size_t>(slot_count_, 1); --slot)
    free_.push_back(static_cast<std::uint32_t>(slot - 1));
  slot_count_ = slots;
  return {};
}

InFlightJournal::Entry MappedJournal::enter(std::string_view snapshot) {
  return ready() ? write(snapshot, used) : none;
}

InFlightJournal::Entry MappedJournal::replace(Entry entry, std::string_view snapshot) {
  if (entry == none) return none;
  const Entry newer = write(snapshot, state_of(entry));
  if (newer == none) return entry;  // better what was known so far than nothing
  leave(entry);
  return newer;
}

InFlightJournal::Entry MappedJournal::write(std::string_view snapshot, std::uint32_t state) {
  if (snapshot.size() > limits_.record_bytes) {
    if (!std::exchange(too_long_, true)) {
      log_->warn(
          "in-flight journal: an exchange with {} bytes to note has no cleanup if hangup dies, and so "
          "has any other with more than {}",
          snapshot.size(), limits_.record_bytes);
    }
    return none;
  }
  const std::size_t needed = std::max<std::size_t>((snapshot.size() + slot_room - 1) / slot_room, 1);
  while (free_.size() < needed) {
    const std::size_t bytes = slot_count_ * sizeof(Slot) * 2;
    if (retry_at_ && clock_.now() < *retry_at_) return none;
    auto grown = bytes > limits_.most_bytes
                     ? Result<void>(std::unexpected(Error{fmt::format("{} is full", path_.string())}))
                     : grow(bytes);
    if (!grown) {
      complain(grown.error().message);
      return none;
    }
  }
  if (retry_at_ && clock_.now() >= *retry_at_) recover();
  const std::uint32_t first = free_.back();
  const auto size = static_cast<std::uint32_t>(snapshot.size());
  const std::uint32_t sum = checksum(snapshot);
  std::uint32_t slot = first;
  for (std::size_t i = 0; i < needed; ++i) {
    free_.pop_back();
    const std::string_view part = snapshot.substr(0, slot_room);
    std::memcpy(slots_[slot].bytes, part.data(), part.size());
    snapshot.remove_prefix(part.size());
    slots_[slot].next = i + 1 < needed ? free_.back() : 0;
    slot = slots_[slot].next;
  }
  slots_[first].size = size;
  slots_[first].checksum = sum;
  slots_[first].generation = ++generation_;
  store_state(first, state);
  return first;
}

void MappedJournal::set_phase(Entry entry, Phase phase) {
  if (entry != none) store_state(entry, with_phase(state_of(entry), phase));
}

void MappedJournal::set_finishing(Entry entry, bool finishing) {
  if (entry != none) store_state(entry, with_finishing(state_of(entry), finishing));
}

void MappedJournal::leave(Entry entry) {
  if (entry == none) return;
  store_state(entry, 0);
  for (auto slot = static_cast<std::uint32_t>(entry); slot != 0; slot = slots_[slot].next)
    free_.push_back(slot);
}

std::uint32_t MappedJournal::state_of(Entry entry) const {
  return slots_[entry].load();
}

// What was written to the slots before is there for whoever sees the state.
void MappedJournal::store_state(Entry entry, std::uint32_t state) {
  std::atomic_ref(slots_[entry].state).store(state, std::memory_order_release);
}

}  // namespace hangup::cleanup
