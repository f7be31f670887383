// Bounded, many producers, many consumers, a turn per slot: 2 x lap while free, 2 x lap + 1 while
// ready, so zeroed memory is an empty ring. Bulk operations verify their slots, then move the
// cursor by compare-and-swap; a claim is never made before the slots are known to be good. Serves
// shared inboxes, work stealing, drop_oldest and rings with host threads at one end.
#pragma once

#include "ringkernel/device/ring.hpp"

namespace ringkernel {

struct MpmcRing {
  Ring ring;

  // Set in the tail by close(): no claim succeeds any more.
  static constexpr uint64_t kClosed = uint64_t{1} << 63;

  enum class Claim : uint8_t { Ok, Full, Closed };

  // Claims up to n slots to write; `first` is the first position, `n` becomes how many.
  RK_HD Claim claim(uint32_t& n, uint64_t& first) const {
    uint64_t tail = load_acquire(&ring.control->tail);
    for (;;) {
      if (tail & kClosed) return Claim::Closed;
      uint32_t good = 0;
      while (good < n && load_acquire(&ring.slot(tail + good)->turn) == 2 * ring.lap(tail + good))
        ++good;
      if (good == 0) {
        uint64_t again = load_acquire(&ring.control->tail);
        if (again == tail) return Claim::Full;
        tail = again;
        continue;
      }
      if (compare_exchange(&ring.control->tail, tail, tail + good)) {
        n = good;
        first = tail;
        return Claim::Ok;
      }
    }
  }
  RK_HD void publish(uint64_t position) const {
    store_release(&ring.slot(position)->turn, 2 * ring.lap(position) + 1);
  }

  // Claims up to n ready slots to read; 0: none is ready.
  RK_HD uint32_t take(uint32_t n, uint64_t& first) const {
    uint64_t head = load_acquire(&ring.control->head);
    for (;;) {
      uint32_t good = 0;
      while (good < n &&
             load_acquire(&ring.slot(head + good)->turn) == 2 * ring.lap(head + good) + 1)
        ++good;
      if (good == 0) {
        uint64_t again = load_acquire(&ring.control->head);
        if (again == head) return 0;
        head = again;
        continue;
      }
      if (compare_exchange(&ring.control->head, head, head + good)) {
        first = head;
        return good;
      }
    }
  }
  RK_HD void release(uint64_t position) const {
    store_release(&ring.slot(position)->turn, 2 * (ring.lap(position) + 1));
  }

  // Returns the final tail. Claims made before stay valid and will be published.
  RK_HD uint64_t close() const { return fetch_or(&ring.control->tail, kClosed) & ~kClosed; }
  RK_HD bool closed() const { return (load_acquire(&ring.control->tail) & kClosed) != 0; }

  // Messages claimed by producers and not yet by consumers; exact at a quiet moment.
  RK_HD uint32_t depth() const {
    uint64_t head = load_acquire(&ring.control->head);
    uint64_t tail = load_acquire(&ring.control->tail) & ~kClosed;
    return tail > head ? static_cast<uint32_t>(tail - head) : 0;
  }
  // A slot that is not as wished says something only where the cursor still points to it: else
  // another end was faster, and the next slot must be looked at.
  // `beyond`: free slots before the one that is asked for.
  RK_HD bool has_room(uint32_t beyond = 0) const {
    uint64_t tail = load_acquire(&ring.control->tail) & ~kClosed;
    for (;;) {
      const uint64_t at = tail + beyond;
      if (load_acquire(&ring.slot(at)->turn) == 2 * ring.lap(at)) return true;
      const uint64_t again = load_acquire(&ring.control->tail) & ~kClosed;
      if (again == tail) return false;
      tail = again;
    }
  }
  RK_HD bool ready() const {
    uint64_t head = load_acquire(&ring.control->head);
    for (;;) {
      if (load_acquire(&ring.slot(head)->turn) == 2 * ring.lap(head) + 1) return true;
      const uint64_t again = load_acquire(&ring.control->head);
      if (again == head) return false;
      head = again;
    }
  }
};

}  // namespace ringkernel
