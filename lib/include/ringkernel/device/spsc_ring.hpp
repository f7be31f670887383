// Single producer, single consumer, published cursors: each side works on a private cursor and
// publishes it once per batch on its own line. (A sequence word per slot costs 1.8 times as much.)
#pragma once

#include "ringkernel/device/ring.hpp"

namespace ringkernel {

// The sending end. Slots between `published` and `tail` are written and not yet visible: a
// message is built in place and can still be taken back.
struct SpscSender {
  Ring ring;
  uint64_t tail = 0;
  uint64_t published = 0;
  uint64_t head_seen = 0;

  // Free slots; looks at the receiver's line only when the last look does not show `wanted`.
  template <Scope S = Scope::Device>
  RK_HD uint32_t room(uint32_t wanted) {
    uint32_t free = ring.capacity - static_cast<uint32_t>(tail - head_seen);
    if (free < wanted) {
      head_seen = load_acquire<S>(&ring.control->head);
      free = ring.capacity - static_cast<uint32_t>(tail - head_seen);
    }
    return free;
  }
  // REQUIRES: room(1) > 0.
  RK_HD MessageHeader* append() { return ring.slot(tail++); }
  RK_HD void take_back(uint32_t n = 1) { tail -= n; }
  // Release: the slots' bytes are visible to whoever acquires the tail.
  template <Scope S = Scope::Device>
  RK_FAST uint32_t publish() {
    uint32_t n = static_cast<uint32_t>(tail - published);
    published = tail;
    store_release<S>(&ring.control->tail, tail);
    prepare_to_write(ring.slot(tail));
    return n;
  }
};

// The receiving end. Slots before `head` have been read; they are given back with release().
struct SpscReceiver {
  Ring ring;
  uint64_t head = 0;
  uint64_t tail_seen = 0;

  template <Scope S = Scope::Device>
  RK_FAST uint32_t available() {
    if (head == tail_seen) tail_seen = load_acquire<S>(&ring.control->tail);
    return static_cast<uint32_t>(tail_seen - head);
  }
  // REQUIRES: available() > 0.
  RK_HD MessageHeader* front() const { return ring.slot(head); }
  RK_HD void pop(uint32_t n = 1) { head += n; }
  // Release: the sender may overwrite the slots once it acquires the head.
  template <Scope S = Scope::Device>
  RK_HD void release() {
    store_release<S>(&ring.control->head, head);
  }
};

}  // namespace ringkernel
