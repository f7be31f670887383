// Single producer, several consumers: the producer publishes its cursor once per batch, consumers
// claim a run of messages by compare-and-swap. Whoever has read a run says so at its first slot,
// whose turn becomes the position behind the run; runs lie end to end, so the producer finds what
// is free by going from one to the next. One word is stored per run, whatever its length.
//
// Only the producer fills the ring, so room that it has seen stays until it uses it.
#pragma once

#include "ringkernel/device/spsc_ring.hpp"

namespace ringkernel {

// As the sender of an SpscRing, but for room(). REQUIRES: the slots' turns were zero at first.
struct SpmcSender : SpscSender {
  // Free slots; goes on with the runs only when what it knows of is fewer than `wanted`.
  RK_HD uint32_t room(uint32_t wanted) {
    uint32_t free = ring.capacity - static_cast<uint32_t>(tail - head_seen);
    while (free < wanted && head_seen != published) {
      const uint64_t end = load_acquire(&ring.slot(head_seen)->turn);
      if (end <= head_seen) break;  // of the lap before
      free += static_cast<uint32_t>(end - head_seen);
      head_seen = end;
    }
    return free;
  }
};

// `head` is the first message that is claimed and not given back.
struct SpmcReceiver : SpscReceiver {
  uint32_t taken = 0;  // how many there are

  // Messages that nobody has claimed; another consumer may be faster.
  RK_HD uint32_t waiting() const {
    const uint64_t first = load_acquire(&ring.control->head);
    return static_cast<uint32_t>(load_acquire(&ring.control->tail) - first);
  }
  // Claims up to n messages. Returns how many. REQUIRES: taken == 0.
  RK_HD uint32_t take(uint32_t n) {
    uint64_t first = load_acquire(&ring.control->head);
    for (;;) {
      const uint64_t ready = load_acquire(&ring.control->tail) - first;
      if (ready == 0) return 0;
      if (ready < n) n = static_cast<uint32_t>(ready);
      if (compare_exchange(&ring.control->head, first, first + n)) break;
    }
    head = first;
    return taken = n;
  }
  // Release: the producer may overwrite the n slots once it acquires the turn of their first.
  RK_HD void release(uint32_t n) {
    store_release(&ring.slot(head)->turn, head + n);
    head += n;
    taken -= n;
  }
};

}  // namespace ringkernel
