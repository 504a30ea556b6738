#include "cleanup/checksum.h"
#include "cleanup/journal.h"
#include "cleanup/journal_format.h"
#include "cleanup/snapshot.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <expected>
#include <unordered_map>
#include <utility>

namespace hangup::cleanup {
namespace {

using namespace journal_format;

// The record that begins in a slot; nullopt if it is not whole.
std::optional<std::string> read_record(const std::vector<Slot>& slots, const Slot& first) {
  if (phase_of(first.state) >= phase_names.size() || first.size > slots.size() * slot_room)
    return std::nullopt;
  std::string record;
  for (const Slot* slot = &first;; slot = &slots[slot->next]) {
    record.append(slot->bytes, std::min<std::size_t>(slot_room, first.size - record.size()));
    if (record.size() == first.size) break;
    if (slot->next == 0 || slot->next >= slots.size()) return std::nullopt;
  }
  if (checksum(record) != first.checksum) return std::nullopt;
  return record;
}

// A plain read rather than a mapping: nothing that happens to the file can be a signal here. The error says
// why it tells nothing.
std::expected<std::vector<Slot>, std::string> read_slots(int file) {
  std::string bytes;
  std::array<char, 64 * 1024> part;
  ssize_t size = 0;
  while ((size = ::pread(file, part.data(), part.size(), static_cast<off_t>(bytes.size()))) > 0)
    bytes.append(part.data(), static_cast<std::size_t>(size));
  if (size < 0) return std::unexpected(std::strerror(errno));
  std::vector<Slot> slots(bytes.size() / sizeof(Slot));
  if (slots.empty()) return slots;
  std::memcpy(static_cast<void*>(slots.data()), bytes.data(), slots.size() * sizeof(Slot));
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic == 0) return std::vector<Slot>();  // died while it made the file
  if (header.magic != magic || header.version != version || header.slot_bytes != sizeof(Slot))
    return std::unexpected("it is no journal of this version");
  return slots;
}

LeftJournal read_journal(const std::filesystem::path& path, int file) {
  LeftJournal journal{.path = path, .entries = {}, .damaged = 0, .trouble = {}};
  const auto read = read_slots(file);
  if (!read) {
    journal.trouble = read.error();
    return journal;
  }
  const std::vector<Slot>& slots = *read;
  struct Found {
    std::size_t index;
    std::uint32_t generation;
  };
  std::unordered_map<std::string, Found> by_request;  // a crash inside replace() leaves two of one exchange
  for (std::size_t i = 1; i < slots.size(); ++i) {
    if (slots[i].state == 0) continue;
    auto record = read_record(slots, slots[i]);
    const auto snapshot = record ? decode_snapshot(*record) : std::nullopt;
    if (!snapshot) {
      ++journal.damaged;
      continue;
    }
    Leftover leftover{.snapshot = *std::move(record),
                      .phase = static_cast<Phase>(phase_of(slots[i].state)),
                      .finishing = finishing_of(slots[i].state)};
    const auto [known, added] =
        by_request.try_emplace(snapshot->request_id, Found{journal.entries.size(), slots[i].generation});
    if (added) {
      journal.entries.push_back(std::move(leftover));
    } else if (static_cast<std::int32_t>(slots[i].generation - known->second.generation) > 0) {
      known->second.generation = slots[i].generation;
      journal.entries[known->second.index] = std::move(leftover);
    }
  }
  return journal;
}

}  // namespace

std::vector<LeftJournal> read_left_journals(const std::filesystem::path& outbox) {
  std::vector<LeftJournal> journals;
  const std::string prefix = outbox.filename().string() + ".inflight-";
  std::error_code error;
  for (std::filesystem::directory_iterator file(outbox.parent_path(), error), end; !error && file != end;
       file.increment(error)) {
    if (!file->path().filename().string().starts_with(prefix)) continue;
    const net::Fd left(::open(file->path().c_str(), O_RDWR | O_CLOEXEC));
    if (!left) {
      journals.push_back(
          {.path = file->path(), .entries = {}, .damaged = 0, .trouble = std::strerror(errno)});
    } else if (::flock(left.get(), LOCK_EX | LOCK_NB) == 0) {
      journals.push_back(read_journal(file->path(), left.get()));
    }
  }
  std::ranges::sort(journals, {}, &LeftJournal::path);
  return journals;
}

}  // namespace hangup::cleanup
