// The keyed State of one block: an open-addressed index over entries that stand in the order in
// which their keys came. All memory is taken at launch, zeroed, and committed by first use.
//   entry = u64 hash | key words | State, in a stride of `entry_stride` bytes
#pragma once

#include "ringkernel/device/atomic.hpp"
#include "ringkernel/device/key.hpp"

namespace ringkernel {

struct KeyTable {
  uint32_t* index = nullptr;  // entry number + 1; 0: free. Twice the capacity, a power of two
  unsigned char* entries = nullptr;
  uint32_t index_mask = 0;
  uint32_t capacity = 0;  // entries there is memory for
  uint32_t entry_stride = 0;
  uint32_t state_offset = 0;
  uint32_t count = 0;
  uint64_t* kernel_keys = nullptr;  // keys of the whole kernel, shared by its blocks
  uint64_t kernel_capacity = 0;     // most keys of the whole kernel

  RK_HD unsigned char* entry(uint32_t i) const {
    return entries + static_cast<uint64_t>(i) * entry_stride;
  }
  RK_HD void* state(uint32_t i) const { return entry(i) + state_offset; }
  RK_HD uint64_t* words(uint32_t i) const { return reinterpret_cast<uint64_t*>(entry(i)) + 1; }

  static constexpr uint32_t kNone = 0xFFFFFFFFU;

  // Entry number of the key; kNone: it has none yet.
  RK_HD uint32_t find(const Key& key) const {
    uint32_t at;
    return look_up(key, at);
  }

  // Entry number of the key; a new key gets a zeroed State. kNone: the kernel holds its most keys.
  RK_HD uint32_t find_or_insert(const Key& key) {
    uint32_t at;
    const uint32_t found = look_up(key, at);
    if (found != kNone) return found;
    if (!admit()) return kNone;
    uint32_t number = count++;
    uint64_t* entry_words = reinterpret_cast<uint64_t*>(entry(number));
    entry_words[0] = key.hash;
    RK_ROLLED for (uint32_t i = 0; i < key.word_count; ++i) entry_words[1 + i] = key.words[i];
    index[at] = number + 1;
    return number;
  }

 private:
  // `at`: its place in the index, or where it would go.
  RK_HD uint32_t look_up(const Key& key, uint32_t& at) const {
    at = static_cast<uint32_t>(key.hash) & index_mask;
    RK_ROLLED for (;; at = (at + 1) & index_mask) {
      uint32_t number = index[at];
      if (number == 0) return kNone;
      const uint64_t* entry_words = reinterpret_cast<const uint64_t*>(entry(number - 1));
      if (entry_words[0] != key.hash) continue;
      bool equal = true;
      RK_ROLLED for (uint32_t i = 0; i < key.word_count; ++i) equal =
          equal && entry_words[1 + i] == key.words[i];
      if (equal) return number - 1;
    }
  }

  // Counts the key for the kernel; never lets the count pass its limit, not even for a moment.
  RK_HD bool admit() {
    if (count == capacity) return false;
    uint64_t keys = load_relaxed(kernel_keys);
    RK_ROLLED while (
        keys < kernel_capacity) if (compare_exchange(kernel_keys, keys, keys + 1)) return true;
    return false;
  }
};

// Bytes of an entry: State is aligned to 16.
RK_HD constexpr uint32_t key_state_offset(uint32_t key_size) {
  return (8U + ((key_size + 7U) & ~7U) + 15U) & ~15U;
}
RK_HD constexpr uint32_t key_entry_stride(uint32_t key_size, uint32_t state_size) {
  return (key_state_offset(key_size) + state_size + 15U) & ~15U;
}

}  // namespace ringkernel
