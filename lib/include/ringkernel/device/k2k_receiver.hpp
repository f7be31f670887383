// The receiving end of a block's wires on its device. Only the block's leader calls it.
#pragma once

#include "ringkernel/device/k2k.hpp"

namespace ringkernel {

class K2kReceiver {
 public:
  RK_HD explicit K2kReceiver(K2kFrame& frame) : f_(frame) {}

  // The next ring with messages becomes the batch's; how many there are, at most `most`.
  RK_HD uint32_t look(uint32_t most) {
    const uint32_t ins = f_.in_count;
    if (ins == 0) return 0;
    if (load_relaxed(&f_.doorbell->word) != 0)
      f_.pending |= exchange(&f_.doorbell->word, uint64_t{0});
    if (f_.pending == 0) return 0;
    // From the ring after the last batch's once around to that one.
    const uint32_t first = f_.at_in < ins ? f_.at_in : 0;
    const uint32_t after = f_.at_ring + 1;
    RK_ROLLED for (uint32_t k = 0; k <= ins; ++k) {
      const uint32_t at = first + k < ins ? first + k : first + k - ins;
      K2kIn& in = *f_.ins[at];
      const uint32_t end = k == ins ? min_of(after, in.senders) : in.senders;
      RK_ROLLED for (uint32_t ring = k == 0 ? after : 0; ring < end; ++ring) {
        const uint32_t n = available(in, ring);
        if (n == 0) continue;
        f_.at_in = at;
        f_.at_ring = ring;
        return min_of(n, most);
      }
    }
    f_.pending = 0;
    return 0;
  }
  // What is left of the batch's ring.
  RK_HD uint32_t rest(uint32_t most) {
    SpscReceiver& r = ring();
    r.tail_seen = load_acquire(&r.ring.control->tail);
    return min_of(static_cast<uint32_t>(r.tail_seen - r.head), most);
  }

  RK_HD K2kIn& in() const { return *f_.ins[f_.at_in]; }
  RK_HD SpscReceiver& ring() const { return in().rings[f_.at_ring]; }

  // Gives the slots of n messages back to their sender.
  RK_HD void release(uint32_t n) {
    ring().head += n;
    ring().release();
  }
  RK_HD void count_delivered(uint32_t n) {
    in().delivered += n;
    store_relaxed<Scope::System>(&in().counters->delivered, in().delivered);
  }

 private:
  RK_HD uint32_t available(K2kIn& in, uint32_t ring) {
    if ((f_.pending & ring_bit(in.first_bit + ring)) == 0) return 0;
    return in.rings[ring].available();
  }

  K2kFrame& f_;
};

}  // namespace ringkernel
