// Counters of a block and of an edge. Each has one writer and any number of readers.
#pragma once

#include "ringkernel/device/atomic.hpp"

namespace ringkernel {

// Latency in microseconds, from the stamp of the message to the end of its batch. Buckets: exact
// below 8, then 8 per power of two, so within 12.5 %; the last bucket takes everything above 2^31.
struct LatencyHistogram {
  static constexpr uint32_t kBuckets = 240;
  uint64_t total_us;
  uint64_t inverse_min_us;  // ~min; 0: nothing was recorded
  uint64_t max_us;
  uint64_t* buckets;  // kBuckets of them; apart, so that nobody touches those of an idle block

  RK_FAST static uint32_t bucket_of(uint64_t us) {
    if (us < 8) return static_cast<uint32_t>(us);
    if (us >> 31) return kBuckets - 1;
    uint32_t exponent = highest_bit(us);
    return (exponent - 2) * 8 + static_cast<uint32_t>((us >> (exponent - 3)) & 7U);
  }
  // Largest value that falls into the bucket.
  RK_HD static uint64_t upper_bound(uint32_t bucket) {
    if (bucket < 8) return bucket;
    uint32_t exponent = bucket / 8 + 2;
    return (((8ULL + bucket % 8) + 1) << (exponent - 3)) - 1;
  }
  RK_FAST void record(uint64_t us, uint64_t n) {
    count(&buckets[bucket_of(us)], n);
    count(&total_us, us * n);
    if (us > load_relaxed(&max_us)) store_relaxed(&max_us, us);
    // Last: who sees that something was recorded finds it.
    if (~us > load_relaxed(&inverse_min_us)) store_release(&inverse_min_us, ~us);
  }
};

// Writer: the block. `created` is counted before a message can be seen, `finished` after its
// children are flushed: where the sums over all blocks agree (finished read first), nothing is
// under way.
struct BlockCounters {
  // What every step counts shares 64 bytes.
  alignas(RK_CACHE_LINE) uint64_t created;  // messages offered on out-edges, each copy: emitted
  uint64_t finished;                        // handled + failed + dropped + refused by an edge
  uint64_t handled;
  LatencyHistogram latency;
  uint64_t invocations;  // steps that handled something
  uint64_t failed;       // by the handler: fail(), throw, max exceeded, keys full
  uint64_t unasked;      // replies nobody asked for and no wire took
  uint64_t dead_letters;
  uint64_t failed_hooks;  // on_start, on_stop or on_poll that failed
  uint64_t stolen;        // messages taken from siblings
  uint64_t polls_left;    // 1: on_poll has more
};
static_assert(sizeof(BlockCounters) == RK_CACHE_LINE);

// Writer: the sending block. Failed: by policy, deadline or a closed receiver.
struct SendCounters {
  alignas(RK_CACHE_LINE) uint64_t offered;
  uint64_t dropped;
  uint64_t failed;
  uint64_t waited_us;  // time the sender stood blocked on this edge
  uint64_t staged;     // now: offered, and waiting at the sender for a slot
};

// Writer: the receiving block.
struct ReceiveCounters {
  alignas(RK_CACHE_LINE) uint64_t delivered;  // given to the handler
  uint64_t failed;    // deadline passed on arrival, receiver terminated or deactivated
  uint64_t taken;     // now: claimed from a shared ring and not yet given to the handler
  uint64_t finished;  // on a wire of a device: handled, and the host did not hear of them
};

}  // namespace ringkernel
