// The receiving half of a block's step: which of its rings is next, what may be taken from
// siblings, and the credits of a cycle. Used by the step that runs a handler and by the pump that
// passes messages to a device.
#pragma once

#include "ringkernel/device/outbox.hpp"

namespace ringkernel {

class Inbox {
 public:
  RK_HD explicit Inbox(Block& block) : b_(block) {}

  RK_FAST static uint32_t ready(InRing& r) {
    if (r.kind == RingKind::Spsc) return r.spsc.available();
    return r.taken > 0 ? r.taken : (r.mpmc.ready() ? max_of(r.mpmc.depth(), 1U) : 0);
  }

  // The next ring with a message, and how many are `here`; null: there is none.
  RK_FAST InRing* next(uint32_t& here) {
    InRing* ring = next_ring(here);
    if (RK_UNLIKELY(b_.steals)) {
      ring = own_or_stolen(ring);
      if (ring != nullptr) here = ready(*ring);
    }
    return ring;
  }

  // After a batch of the ring that next() gave, so that it need not look for what it would most
  // often not find. Who publishes after this look rings after it, and so brings another turn.
  RK_FAST void leave_if_empty(InRing& r) {
    if (r.kind == RingKind::Spsc && b_.in_count <= 62 && r.spsc.available() == 0)
      b_.pending &= ~bit_;
  }

  // No credits: from now on only messages from inside the cycle are taken, or its credits would
  // never come back.
  RK_HD void starve() { starved_ = true; }
  RK_HD bool starved() const { return starved_; }

  // Credits for up to n messages from outside the cycle; how many got theirs.
  RK_HD uint32_t take_credits(uint32_t n) {
    for (bool asked = false;; asked = true) {
      uint64_t available = load_relaxed(&b_.credits->available);
      uint32_t can = min_of(n, static_cast<uint32_t>(available / b_.cycle_max));
      if (can > 0) {
        if (compare_exchange(&b_.credits->available, available,
                             available - static_cast<uint64_t>(can) * b_.cycle_max))
          return can;
        asked = false;
        continue;
      }
      if (asked) return 0;
      exchange(&b_.credits->want, 1U);
    }
  }

  // Makes sure that `wanted` messages, or as many as possible, can be handled without an edge
  // running full. 0: none; a wake-up is arranged. REQUIRES: wanted > 0.
  RK_FAST uint32_t make_room(uint32_t wanted) {
    const Ring* full = nullptr;
    OutEdge* edge = nullptr;
    const uint32_t n = room_for_messages(b_, wanted, full, edge);
    return RK_LIKELY(n > 0) ? n : ask_for_room_on(*full, edge, wanted);
  }

 private:
  RK_BESIDE uint32_t ask_for_room_on(const Ring& first, OutEdge* edge, uint32_t wanted) {
    const Ring* full = &first;
    uint32_t n = 0;
    if (b_.undo_count == 0) flush(b_);  // what is unpublished could be what fills it
    // The ring that was full may have room by now and another none: only a ring that was asked and
    // is full still will wake the block.
    const RingControl* asked = nullptr;
    while (asked != full->control) {
      asked = full->control;
      ask_for_room(*full);
      n = room_for_messages(b_, wanted, full, edge);
      if (n > 0) return n;
    }
    begin_waiting(b_, edge);
    return 0;
  }

 public:
  // Gives the slots that were taken back to their senders.
  RK_HD void release(InRing& r) {
    if (r.kind == RingKind::Mpmc) {
      note_taken(r);
    } else {
      r.spsc.release();
    }
    wake_senders(r);
  }

  // A shared ring: how many messages are claimed; and a sibling may help with the others.
  RK_HD void note_taken(InRing& r) {
    store_relaxed(&r.counters->taken, static_cast<uint64_t>(r.taken));
    if (b_.sibling_count > 0 && r.mpmc.depth() > b_.share_threshold) {
      wake(b_, *b_.siblings[b_.next_sibling], kRoom);
      b_.next_sibling = b_.next_sibling + 1 == b_.sibling_count ? 0 : b_.next_sibling + 1;
    }
  }

  RK_FAST void wake_senders(InRing& r) {
    if (RK_UNLIKELY(room_was_wanted(r.ring())))
      for (uint32_t i = 0; i < r.sender_count; ++i) wake(b_, *r.senders[i], kRoom);
  }

 private:
  RK_FAST InRing* next_ring(uint32_t& here) {
    if (b_.pending == 0) return nullptr;
    if (RK_LIKELY(b_.in_count <= 62 && !b_.leveled && !starved_)) return next_pending(here);
    return next_of_all(here);
  }

  // In turns, where every ring has a bit of its own.
  RK_FAST InRing* next_pending(uint32_t& here) {
    uint64_t bits = b_.pending & ((uint64_t{1} << b_.in_count) - 1);
    while (bits != 0) {
      const uint64_t behind = bits & (~uint64_t{0} << b_.next_in);
      const uint32_t at = lowest_bit(behind != 0 ? behind : bits);
      InRing& r = b_.in[at];
      here = ready(r);
      if (RK_LIKELY(here > 0)) {
        b_.pending = bits;
        bit_ = uint64_t{1} << at;
        b_.next_in = at + 1 >= b_.in_count ? 0 : at + 1;
        return &r;
      }
      bits &= ~(uint64_t{1} << at);
    }
    b_.pending = 0;
    return nullptr;
  }

  // The highest level first, in turns among equals.
  RK_BESIDE InRing* next_of_all(uint32_t& here) {
    InRing* best = nullptr;
    uint32_t best_at = 0;
    uint32_t at = b_.next_in;
    for (uint32_t i = 0; i < b_.in_count; ++i, ++at) {
      if (at >= b_.in_count) at = 0;
      InRing& r = b_.in[at];
      // Where levels count all are looked at: a higher one may have come since the turn began.
      const bool rang = b_.leveled || (b_.pending & r.bit) != 0;
      if (!rang || (starved_ && !r.in_cycle)) continue;
      const uint32_t n = ready(r);
      if (n == 0) {
        if (b_.in_count <= 62) b_.pending &= ~r.bit;
        continue;
      }
      b_.pending |= r.bit;
      if (best == nullptr || r.level > best->level) {
        best = &r;
        best_at = at;
        here = n;
      }
      if (!b_.leveled) break;
    }
    if (best == nullptr) {
      b_.pending = starved_ ? b_.pending : 0;
      return nullptr;
    }
    bit_ = best->bit;
    b_.next_in = best_at + 1 >= b_.in_count ? 0 : best_at + 1;
    return best;
  }

  // With fewer messages than steal_threshold of its own, a block helps its siblings; own and stolen
  // batches take turns, so neither waits for the other.
  RK_BESIDE InRing* own_or_stolen(InRing* own) {
    if (starved_) return own;
    if (own != nullptr) {
      uint32_t depth = 0;
      for (uint32_t i = 0; i < b_.in_count; ++i) depth += ready(b_.in[i]);
      if (depth >= b_.steal_threshold || stole_) {
        stole_ = false;
        return own;
      }
    }
    InRing* stolen = steal();
    stole_ = stolen != nullptr;
    return stole_ ? stolen : own;
  }

  // What is left of the last stolen batch, or a new one from one of the next siblings.
  RK_HD InRing* steal() {
    if (b_.steal_count == 0) return nullptr;
    if (b_.steal[b_.next_steal].taken > 0) return &b_.steal[b_.next_steal];
    uint32_t looks = min_of(b_.steal_neighborhood, b_.steal_count);
    for (uint32_t i = 0; i < looks; ++i) {
      b_.next_steal = b_.next_steal + 1 >= b_.steal_count ? 0 : b_.next_steal + 1;
      InRing& r = b_.steal[b_.next_steal];
      if (r.mpmc.depth() <= b_.share_threshold) continue;
      r.taken = r.mpmc.take(b_.max_steal_batch, r.taken_first);
      if (r.taken > 0) {
        count(&b_.counters->stolen, r.taken);
        return &r;
      }
    }
    return nullptr;
  }

  Block& b_;
  uint64_t bit_ = 0;  // of the ring that next() has found among the own
  bool starved_ = false;
  bool stole_ = false;  // the last batch was a sibling's
};

}  // namespace ringkernel
