// The latencies of a block's batches: one look at the clock per batch, one record per run of
// messages with the same stamp.
#pragma once

#include "ringkernel/device/block.hpp"

namespace ringkernel {

class LatencyRuns {
 public:
  // Runs that have ended and are not recorded. Apart, so that what is counted of the run that goes
  // on may stay in registers.
  struct Kept {
    static constexpr uint32_t kMost = 16;
    uint64_t stamp[kMost];
    uint64_t messages[kMost];
  };
  RK_FAST LatencyRuns(Block& block, Kept& kept) : b_(block), kept_(kept) {}

  // Of the run that goes on; 0: there is none.
  RK_FAST uint64_t stamp() const { return stamp_; }
  // The message behind `delivered` of the batch has another stamp.
  RK_FAST void begin(uint64_t stamp, uint64_t delivered) {
    if (stamp >= b_.hlc) b_.hlc = stamp + 1;
    if (RK_UNLIKELY(delivered != first_)) {
      count_ = keep(b_, kept_, count_, stamp_, delivered - first_);
      first_ = delivered;
    }
    stamp_ = stamp;
  }
  // The run ends behind `delivered` messages of the batch.
  RK_FAST void end(uint64_t delivered) {
    last_ = delivered - first_;
    first_ = delivered;
  }
  RK_FAST void end_batch(uint64_t delivered) {
    end(delivered);
    first_ = 0;
  }
  // What has ended has taken until now.
  RK_FAST void record() {
    // A look at the clock takes as long as a short turn.
    if (core_ticks() >= b_.fresh_until) b_.now_us = b_.host->now_us(b_.host->context);
    b_.looked = true;
    if (RK_UNLIKELY(count_ > 0)) record_kept(b_, kept_, count_);
    count_ = 0;
    if (last_ > 0) record(b_, stamp_, last_);
    last_ = 0;
    stamp_ = 0;
  }
  RK_FAST void go_on_as(const LatencyRuns& other) {
    stamp_ = other.stamp_;
    first_ = other.first_;
    last_ = other.last_;
    count_ = other.count_;
  }

 private:
  // One more is kept; how many there are then.
  RK_BESIDE static uint32_t keep(Block& b, Kept& kept, uint32_t count, uint64_t stamp,
                                 uint64_t messages) {
    if (count == Kept::kMost) {
      b.now_us = b.host->now_us(b.host->context);
      record_kept(b, kept, count);
      count = 0;
    }
    kept.stamp[count] = stamp;
    kept.messages[count] = messages;
    return count + 1;
  }
  RK_BESIDE static void record_kept(Block& b, const Kept& kept, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) record(b, kept.stamp[i], kept.messages[i]);
  }
  RK_FAST static void record(Block& b, uint64_t stamp, uint64_t messages) {
    const uint64_t sent = hlc_microseconds(stamp);
    b.counters->latency.record(b.now_us > sent ? b.now_us - sent : 0, messages);
  }

  Block& b_;
  Kept& kept_;
  uint64_t stamp_ = 0;
  uint64_t first_ = 0;  // where in the batch the run began
  uint64_t last_ = 0;   // messages of the run that ended last
  uint32_t count_ = 0;  // of `kept_`
};

}  // namespace ringkernel
