// The receiving half of a block's step: which of its rings is next, what may be taken from
// siblings, and the credits of a cycle. Used by the step that runs a handler and by the pump that
// passes messages to a device. What is not inlined knows the block alone, so that the few words
// kept here may stay in registers.
#pragma once

#include "ringkernel/device/outbox.hpp"

namespace ringkernel {

class Inbox {
 public:
  RK_FAST explicit Inbox(Block& block) : b_(block) {}

  RK_FAST static uint32_t ready(InRing& r) {
    if (r.kind == RingKind::Spsc) return r.spsc.available();
    return r.taken > 0 ? r.taken : (r.mpmc.ready() ? max_of(r.mpmc.depth(), 1U) : 0);
  }

  // The next ring with a message, and how many are `here`; null: there is none.
  RK_FAST InRing* next(uint32_t& here) {
    const Found own = next_own();
    here = own.here;
    bit_ = own.bit;
    if (RK_LIKELY(!b_.steals) || starved_) return own.ring;
    const Chosen chosen = own_or_stolen(b_, own.ring, stole_);
    stole_ = chosen.stolen;
    if (chosen.ring != nullptr) here = ready(*chosen.ring);
    return chosen.ring;
  }

  // After a batch of the ring that next() gave, so that it need not look for what it would most
  // often not find. Who publishes after this look rings after it, and so brings another turn.
  RK_FAST void leave_if_empty(InRing& r) {
    if (r.kind == RingKind::Spsc && b_.in_count <= 62 && r.spsc.available() == 0)
      b_.pending &= ~bit_;
  }

  // No credits: from now on only messages from inside the cycle are taken, or its credits would
  // never come back.
  RK_FAST void starve() { starved_ = true; }
  RK_FAST bool starved() const { return starved_; }

  // Credits for up to n messages from outside the cycle; how many got theirs.
  RK_FAST uint32_t take_credits(uint32_t n) { return take_credits_of(b_, n); }

  // Makes sure that `wanted` messages, or as many as possible, can be handled without an edge
  // running full. 0: none; a wake-up is arranged. REQUIRES: wanted > 0.
  RK_FAST uint32_t make_room(uint32_t wanted) {
    const Ring* full = nullptr;
    OutEdge* edge = nullptr;
    const uint32_t n = room_for_messages(b_, wanted, full, edge);
    return RK_LIKELY(n > 0) ? n : ask_for_room_on(b_, *full, edge, wanted);
  }

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
  RK_FAST void note_taken(InRing& r) { note_taken_of(b_, r); }

  RK_FAST void wake_senders(InRing& r) {
    if (RK_UNLIKELY(room_was_wanted(r.ring()))) wake_all_senders(b_, r);
  }
  RK_FAST void go_on_as(const Inbox& other) {
    bit_ = other.bit_;
    starved_ = other.starved_;
    stole_ = other.stole_;
  }

 private:
  struct Found {
    InRing* ring = nullptr;
    uint64_t bit = 0;
    uint32_t here = 0;
  };
  RK_FAST Found next_own() {
    if (b_.pending == 0) return {};
    if (RK_LIKELY(b_.in_count <= 62 && !b_.leveled && !starved_)) return next_pending();
    return next_of_all(b_, starved_);
  }

  // In turns, where every ring has a bit of its own.
  RK_FAST Found next_pending() {
    uint64_t bits = b_.pending & ((uint64_t{1} << b_.in_count) - 1);
    while (bits != 0) {
      const uint64_t behind = bits & (~uint64_t{0} << b_.next_in);
      const uint32_t at = lowest_bit(behind != 0 ? behind : bits);
      InRing& r = b_.in[at];
      if (const uint32_t here = ready(r); RK_LIKELY(here > 0)) {
        b_.pending = bits;
        b_.next_in = at + 1 >= b_.in_count ? 0 : at + 1;
        return {&r, uint64_t{1} << at, here};
      }
      bits &= ~(uint64_t{1} << at);
    }
    b_.pending = 0;
    return {};
  }

  // The highest level first, in turns among equals.
  RK_BESIDE static Found next_of_all(Block& b, bool starved) {
    Found best;
    uint32_t best_at = 0;
    uint32_t at = b.next_in;
    for (uint32_t i = 0; i < b.in_count; ++i, ++at) {
      if (at >= b.in_count) at = 0;
      InRing& r = b.in[at];
      // Where levels count all are looked at: a higher one may have come since the turn began.
      const bool rang = b.leveled || (b.pending & r.bit) != 0;
      if (!rang || (starved && !r.in_cycle)) continue;
      const uint32_t here = ready(r);
      if (here == 0) {
        if (b.in_count <= 62) b.pending &= ~r.bit;
        continue;
      }
      b.pending |= r.bit;
      if (best.ring == nullptr || r.level > best.ring->level) {
        best = {&r, r.bit, here};
        best_at = at;
      }
      if (!b.leveled) break;
    }
    if (best.ring != nullptr)
      b.next_in = best_at + 1 >= b.in_count ? 0 : best_at + 1;
    else if (!starved)
      b.pending = 0;
    return best;
  }

  // With fewer messages than steal_threshold of its own, a block helps its siblings; own and stolen
  // batches take turns, so neither waits for the other. `stole`: the last one was a sibling's.
  struct Chosen {
    InRing* ring;
    bool stolen;
  };
  RK_BESIDE static Chosen own_or_stolen(Block& b, InRing* own, bool stole) {
    if (own != nullptr) {
      uint32_t depth = 0;
      for (uint32_t i = 0; i < b.in_count; ++i) depth += ready(b.in[i]);
      if (depth >= b.steal_threshold || stole) return {own, false};
    }
    InRing* stolen = steal(b);
    return {stolen != nullptr ? stolen : own, stolen != nullptr};
  }

  // What is left of the last stolen batch, or a new one from one of the next siblings.
  RK_HD static InRing* steal(Block& b) {
    if (b.steal_count == 0) return nullptr;
    if (b.steal[b.next_steal].taken > 0) return &b.steal[b.next_steal];
    uint32_t looks = min_of(b.steal_neighborhood, b.steal_count);
    for (uint32_t i = 0; i < looks; ++i) {
      b.next_steal = b.next_steal + 1 >= b.steal_count ? 0 : b.next_steal + 1;
      InRing& r = b.steal[b.next_steal];
      if (r.mpmc.depth() <= b.share_threshold) continue;
      r.taken = r.mpmc.take(b.max_steal_batch, r.taken_first);
      if (r.taken > 0) {
        count(&b.counters->stolen, r.taken);
        return &r;
      }
    }
    return nullptr;
  }

  RK_BESIDE static uint32_t take_credits_of(Block& b, uint32_t n) {
    for (bool asked = false;; asked = true) {
      uint64_t available = load_relaxed(&b.credits->available);
      uint32_t can = min_of(n, static_cast<uint32_t>(available / b.cycle_max));
      if (can > 0) {
        if (compare_exchange(&b.credits->available, available,
                             available - static_cast<uint64_t>(can) * b.cycle_max))
          return can;
        asked = false;
        continue;
      }
      if (asked) return 0;
      exchange(&b.credits->want, 1U);
    }
  }

  RK_BESIDE static uint32_t ask_for_room_on(Block& b, const Ring& first, OutEdge* edge,
                                            uint32_t wanted) {
    const Ring* full = &first;
    uint32_t n = 0;
    if (b.undo_count == 0) flush(b);  // what is unpublished could be what fills it
    // The ring that was full may have room by now and another none: only a ring that was asked and
    // is full still will wake the block.
    const RingControl* asked = nullptr;
    while (asked != full->control) {
      asked = full->control;
      ask_for_room(*full);
      n = room_for_messages(b, wanted, full, edge);
      if (n > 0) return n;
    }
    begin_waiting(b, edge);
    return 0;
  }

  RK_BESIDE static void note_taken_of(Block& b, InRing& r) {
    store_relaxed(&r.counters->taken, static_cast<uint64_t>(r.taken));
    if (b.sibling_count > 0 && r.mpmc.depth() > b.share_threshold) {
      wake(b, *b.siblings[b.next_sibling], kRoom);
      b.next_sibling = b.next_sibling + 1 == b.sibling_count ? 0 : b.next_sibling + 1;
    }
  }

  RK_BESIDE static void wake_all_senders(Block& b, InRing& r) {
    for (uint32_t i = 0; i < r.sender_count; ++i) wake(b, *r.senders[i], kRoom);
  }

  Block& b_;
  uint64_t bit_ = 0;  // of the ring that next() has found among the own
  bool starved_ = false;
  bool stole_ = false;  // the last batch was a sibling's
};

}  // namespace ringkernel
