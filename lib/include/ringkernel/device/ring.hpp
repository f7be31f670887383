// What every ring is: a control block of two lines, the sender's and the receiver's, and a power of
// two of slots behind it. Zeroed memory is a valid empty ring. A ring holds positions and no
// pointers, so it may lie in memory that several processes map.
#pragma once

#include "ringkernel/device/atomic.hpp"
#include "ringkernel/device/header.hpp"

namespace ringkernel {

struct RingControl {
  alignas(RK_CACHE_LINE) uint64_t tail;  // slots ever published (SPSC) or claimed (MPMC)
  alignas(RK_CACHE_LINE) uint64_t head;  // slots ever freed (SPSC) or claimed by consumers (MPMC)
  uint32_t want;                         // 1: a blocked sender asks to be woken when there is room
};
static_assert(sizeof(RingControl) == 2 * RK_CACHE_LINE);

// Position of a ring's memory in this process. Copied freely.
struct Ring {
  RingControl* control = nullptr;
  unsigned char* slots = nullptr;
  uint32_t capacity = 0;   // a power of two
  uint32_t stride = 0;     // bytes from slot to slot, a multiple of 64
  uint32_t lap_shift = 0;  // log2(capacity)

  // How often the ring was filled before this position.
  RK_HD uint64_t lap(uint64_t position) const { return position >> lap_shift; }

  RK_HD MessageHeader* slot(uint64_t position) const {
    return reinterpret_cast<MessageHeader*>(slots + (position & (capacity - 1)) * stride);
  }
  // Behind the last slot, and the slot that follows one.
  RK_HD MessageHeader* end() const {
    return reinterpret_cast<MessageHeader*>(slots + uint64_t{capacity} * stride);
  }
  RK_HD MessageHeader* next(MessageHeader* slot, MessageHeader* end) const {
    auto* following =
        reinterpret_cast<MessageHeader*>(reinterpret_cast<unsigned char*>(slot) + stride);
    return following == end ? reinterpret_cast<MessageHeader*>(slots) : following;
  }
};

RK_HD constexpr uint64_t ring_bytes(uint32_t capacity, uint32_t stride) {
  return sizeof(RingControl) + static_cast<uint64_t>(capacity) * stride;
}

RK_HD Ring ring_at(void* memory, uint32_t capacity, uint32_t stride) {
  Ring ring;
  ring.control = static_cast<RingControl*>(memory);
  ring.slots = static_cast<unsigned char*>(memory) + sizeof(RingControl);
  ring.capacity = capacity;
  ring.stride = stride;
  while ((uint32_t{1} << ring.lap_shift) < capacity) ++ring.lap_shift;
  return ring;
}

// A sender that found the ring full asks to be woken. The exchange orders the question before the
// look that follows: either that look sees the room, or the receiver's exchange sees the question.
RK_HD void ask_for_room(const Ring& ring) { exchange(&ring.control->want, 1U); }

// The receiver, after it has freed slots: did a sender ask?
RK_HD bool room_was_wanted(const Ring& ring) { return exchange(&ring.control->want, 0U) != 0; }

}  // namespace ringkernel
