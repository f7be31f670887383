// The header of every message: 64 bytes of metadata in front of the payload. Header and payload
// together are the envelope; in a ring they share a slot.
#pragma once

#include "ringkernel/device/platform.hpp"

namespace ringkernel {

struct alignas(64) MessageHeader {
  uint64_t turn;            // the slot's sequence word where a ring needs one, else 0
  uint64_t message_id;      // unique across runs and nodes
  uint64_t correlation_id;  // of the request this message must answer; 0: nobody waits
  uint64_t hlc;             // hybrid logical clock, see clock.hpp
  uint64_t deadline;        // microseconds since 1970; 0: none
  uint64_t root;            // position of the input message it descends from, 1-based; 0: none
  uint32_t source;          // kernel id of the sender; 0: the host
  uint32_t reply_to;        // slot of the requester's request table
  uint16_t message_type;    // id of the type in this runtime
  uint16_t flags;           // HeaderFlag
  uint16_t node;            // machine it came from; 0: this one
  uint8_t priority;         // 0 low, 1 normal, 2 high, 3 critical
  uint8_t hops;             // how often it was forwarded
};
static_assert(sizeof(MessageHeader) == 64 && alignof(MessageHeader) == 64);
#if !defined(__CUDACC_RTC__)  // it has no constant offsetof
static_assert(offsetof(MessageHeader, source) == 48);
static_assert(offsetof(MessageHeader, message_type) == 56);
static_assert(offsetof(MessageHeader, hops) == 63);
#endif

// Bits of MessageHeader::flags. Control and Extension are reserved.
enum HeaderFlag : uint16_t { kFlagControl = 1, kFlagExtension = 2 };

// Kernel ids start at 1.
inline constexpr uint32_t kHostId = 0;
inline constexpr uint8_t kMaxHops = 8;

#if !RK_ON_DEVICE
// The fields behind `root` at once, two words in place of eight fields: what a message costs on its
// way through a ring is the number of stores.
RK_HD void fill_last_words(MessageHeader& h, uint32_t source, uint16_t type, uint32_t priority) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  const uint64_t words[2] = {source, type | static_cast<uint64_t>(priority) << 48};
  memcpy(&h.source, words, sizeof words);
}
#endif

RK_HD void* payload_of(MessageHeader* header) { return header + 1; }
RK_HD const void* payload_of(const MessageHeader* header) { return header + 1; }

// Bytes of a slot for a payload of this size: a multiple of 64.
RK_HD constexpr uint32_t slot_stride(uint32_t payload_size) {
  return (static_cast<uint32_t>(sizeof(MessageHeader)) + payload_size + 63U) & ~63U;
}

}  // namespace ringkernel
