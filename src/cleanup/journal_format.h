// The bytes of an in-flight journal: see journal.h.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <hangup/base/outcome.h>

namespace hangup::cleanup::journal_format {

inline constexpr std::uint64_t magic = 0x6c6e726a70676e68;  // "hngpjrnl"
inline constexpr std::uint32_t version = 1;

// In slot 0.
struct Header {
  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  std::uint32_t slot_bytes = 0;
};

inline constexpr std::size_t slot_room = 1000;

// Free ones, and those that another one goes on in, have state 0.
struct Slot {
  std::uint32_t state;       // used, phase << 8, finishing << 16
  std::uint32_t next;        // the slot in which the record goes on; 0 at its end
  std::uint32_t size;        // of the record
  std::uint32_t checksum;    // of the record
  std::uint32_t generation;  // of two records of one exchange, the one with the later one counts
  std::uint32_t reserved;
  char bytes[slot_room];

  std::uint32_t load() const { return __atomic_load_n(&state, __ATOMIC_RELAXED); }
};
static_assert(sizeof(Slot) == 1024);

inline constexpr std::uint32_t used = 1;

constexpr std::uint32_t with_phase(std::uint32_t state, Phase phase) {
  return (state & ~0xff00U) | static_cast<std::uint32_t>(phase) << 8U;
}
constexpr std::uint32_t with_finishing(std::uint32_t state, bool finishing) {
  return (state & ~0xff0000U) | static_cast<std::uint32_t>(finishing) << 16U;
}
constexpr std::uint32_t phase_of(std::uint32_t state) {
  return state >> 8U & 0xffU;
}
constexpr bool finishing_of(std::uint32_t state) {
  return (state >> 16U & 0xffU) != 0;
}

}  // namespace hangup::cleanup::journal_format
