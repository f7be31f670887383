// The receiving end of a block's wires on its device: which ring is next, and what it may take from
// its siblings' (as device/inbox.hpp has it on the host). Only the block's leader calls it.
#pragma once

#include "ringkernel/device/k2k.hpp"

namespace ringkernel {

class K2kReceiver {
 public:
  RK_HD explicit K2kReceiver(K2kFrame& frame) : f_(frame) {}

  // The next ring with messages becomes the batch's; how many there are, at most `most`.
  RK_HD uint32_t look(uint32_t most) {
    if (f_.in_count == 0) return 0;
    if (claimed() > 0) return min_of(claimed(), most);
    const uint32_t own = look_at_own();
    return min_of(f_.stealing.steal_threshold != 0 ? own_or_stolen(own) : own, most);
  }
  // What is left of the batch's ring.
  RK_HD uint32_t rest(uint32_t most) {
    SpmcReceiver& r = ring();
    if (in().shared != 0) return min_of(r.taken, most);
    r.tail_seen = is_near() ? load_acquire<Scope::Cluster>(&r.ring.control->tail)
                            : load_acquire(&r.ring.control->tail);
    return min_of(static_cast<uint32_t>(r.tail_seen - r.head), most);
  }
  // Of the messages that were seen there, up to n are the block's from now on: how many. 0: a
  // sibling was faster.
  RK_HD uint32_t claim(uint32_t n) {
    if (in().shared == 0 || ring().taken > 0) return n;
    n = ring().take(n);
    if (n > 0 && f_.at_ring == kStolen) {
      f_.stealing.stolen += n;
      store_relaxed<Scope::System>(&f_.counters->stolen, f_.stealing.stolen);
    }
    return n;
  }

  RK_HD K2kIn& in() const { return *f_.ins[f_.at_in]; }
  RK_HD SpmcReceiver& ring() const {
    return f_.at_ring == kStolen ? in().stolen : in().rings[f_.at_ring];
  }

  // Gives the slots of n messages back to their sender.
  RK_HD void release(uint32_t n) {
    if (in().shared != 0) return ring().release(n);
    SpscReceiver& r = ring();
    r.head += n;
    if (is_near())
      r.release<Scope::Cluster>();
    else
      r.release();
  }
  // `pauses`: one more has begun, and goes on with the next batch, which does not count it again.
  RK_HD void count_delivered(uint32_t n, bool pauses) {
    in().delivered += uint64_t{n} + (pauses ? 1 : 0) - f_.paused;
    f_.paused = pauses ? 1 : 0;
    store_relaxed<Scope::System>(&in().counters->delivered, in().delivered);
  }
  RK_HD void count_finished(uint32_t n) {
    in().finished += n;
    store_relaxed<Scope::System>(&in().counters->finished, in().finished);
  }

  // Every ring is looked at, whatever the doorbell has said.
  RK_HD void look_everywhere() {
    f_.pending = ~uint64_t{0};
    if (f_.shares_doorbell != 0) fetch_or(&f_.doorbell->word, f_.pending);
  }

 private:
  static constexpr uint32_t kStolen = 0xFFFFFFFE;  // as at_ring

  // Whether the batch is from a block of the cluster.
  RK_HD bool is_near() const { return in().cluster.has(f_.at_ring); }

  // What a block has claimed and not handled is its next batch.
  RK_HD uint32_t claimed() const {
    return f_.at_in < f_.in_count && in().shared != 0 ? ring().taken : 0;
  }

  // Its own doorbell is the block's to empty. That of an inbox keeps what it says until a block has
  // found all rings empty after it has emptied it.
  RK_HD uint32_t look_at_own() {
    if (f_.cluster_doorbell != nullptr &&
        load_relaxed<Scope::Cluster>(&f_.cluster_doorbell->word) != 0)
      f_.pending |= exchange<Scope::Cluster>(&f_.cluster_doorbell->word, uint64_t{0});
    const bool shares = f_.shares_doorbell != 0;
    const uint64_t said = load_relaxed(&f_.doorbell->word);
    if (shares)
      f_.pending = said;
    else if (said != 0)
      f_.pending |= exchange(&f_.doorbell->word, uint64_t{0});
    if (f_.pending == 0) return 0;
    uint32_t n = 0;
    // In a loop, so that find() is there once: all of this is one function.
    RK_ROLLED for (uint32_t looks = 0; looks < (shares ? 2U : 1U) && n == 0; ++looks) {
      if (looks == 1) f_.pending = exchange(&f_.doorbell->word, uint64_t{0});
      n = find();
      if (looks == 1 && n > 0) fetch_or(&f_.doorbell->word, f_.pending);
    }
    if (n == 0) f_.pending = 0;
    return n;
  }

  // The highest level first, in turns among equals: from the ring after the last batch's once
  // around to that one.
  RK_HD uint32_t find() {
    const uint32_t ins = f_.in_count;
    const uint32_t first = f_.at_in < ins ? f_.at_in : 0;
    const uint32_t after = f_.at_ring + 1;
    uint32_t best = 0, level = 0;
    RK_ROLLED for (uint32_t k = 0; k <= ins; ++k) {
      const uint32_t at = first + k < ins ? first + k : first + k - ins;
      K2kIn& in = *f_.ins[at];
      const uint32_t end = k == ins ? min_of(after, in.ring_count()) : in.ring_count();
      RK_ROLLED for (uint32_t ring = k == 0 ? after : 0; ring < end; ++ring) {
        if (best > 0 && in.level(ring) <= level) continue;
        const uint32_t n = available(in, ring);
        if (n == 0) continue;
        best = n;
        level = in.level(ring);
        f_.at_in = at;
        f_.at_ring = ring;
        if (level + 1 == in.levels) return best;
      }
    }
    return best;
  }
  RK_HD uint32_t available(K2kIn& in, uint32_t ring) const {
    if ((f_.pending & ring_bit(in.first_bit + ring)) == 0) return 0;
    SpmcReceiver& r = in.rings[ring];
    if (in.cluster.has(ring)) return r.available<Scope::Cluster>();
    return in.shared != 0 ? r.waiting() : r.available();
  }

  // With fewer messages than steal_threshold of its own, a block helps its siblings; own and stolen
  // batches take turns, so neither waits for the other.
  RK_HD uint32_t own_or_stolen(uint32_t own) {
    K2kStealing& s = f_.stealing;
    if (own > 0 && (s.stole != 0 || own >= s.steal_threshold || depth() >= s.steal_threshold)) {
      s.stole = 0;
      return own;
    }
    const uint32_t stolen = look_at_siblings();
    s.stole = stolen > 0 ? 1 : 0;
    return stolen > 0 ? min_of(stolen, s.max_steal_batch) : own;
  }
  RK_HD uint32_t depth() const {
    uint32_t n = 0;
    RK_ROLLED for (uint32_t i = 0; i < f_.in_count; ++i)
        RK_ROLLED for (uint32_t ring = 0; ring < f_.ins[i]->ring_count(); ++ring) n +=
        available(*f_.ins[i], ring);
    return n;
  }

  // The fullest ring of a sibling that has more than share_threshold on a wire becomes the batch's.
  RK_HD uint32_t look_at_siblings() {
    K2kStealing& s = f_.stealing;
    const uint32_t looks = min_of(s.steal_neighborhood, s.blocks - 1);
    RK_ROLLED for (uint32_t look = 0; look < looks; ++look) {
      s.next = s.next + 1 < s.blocks ? s.next + 1 : 1;
      const uint32_t sibling = (s.index + s.next) % s.blocks;
      RK_ROLLED for (uint32_t i = 0; i < f_.in_count; ++i) {
        K2kIn& in = *f_.ins[i];
        uint32_t all = 0, most = 0, fullest = 0;
        RK_ROLLED for (uint32_t ring = 0; ring < in.senders; ++ring) {
          const uint32_t n = of_sibling(in, sibling, ring).waiting();
          all += n;
          if (n <= most) continue;
          most = n;
          fullest = ring;
        }
        if (all <= s.share_threshold) continue;
        in.stolen = of_sibling(in, sibling, fullest);
        f_.at_in = i;
        f_.at_ring = kStolen;
        return most;
      }
    }
    return 0;
  }

  RK_HD static SpmcReceiver of_sibling(const K2kIn& in, uint32_t sibling, uint32_t ring) {
    SpmcReceiver end;
    end.ring = nth_ring(in.first_ring, uint64_t{sibling} * in.senders + ring);
    return end;
  }

  K2kFrame& f_;
};

}  // namespace ringkernel
