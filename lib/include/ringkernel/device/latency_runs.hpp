// The latencies of a block's batches: one look at the clock per batch, one record per run of
// messages with the same stamp.
#pragma once

#include "ringkernel/device/block.hpp"

namespace ringkernel {

class LatencyRuns {
 public:
  RK_HD explicit LatencyRuns(Block& block) : b_(block) {}

  // Of the run that goes on; 0: there is none.
  RK_HD uint64_t stamp() const { return stamp_; }
  // The message behind `delivered` of the batch has another stamp.
  RK_FAST void begin(uint64_t stamp, uint64_t delivered) {
    if (stamp >= b_.hlc) b_.hlc = stamp + 1;
    if (RK_UNLIKELY(delivered != first_)) keep(delivered);
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
    if (RK_UNLIKELY(count_ > 0)) record_kept();
    if (last_ > 0) record({stamp_, last_});
    last_ = 0;
    stamp_ = 0;
  }

 private:
  struct Run {
    uint64_t stamp;
    uint64_t messages;
  };
  static constexpr uint32_t kRuns = 16;

  // The run has ended, and another follows before it is recorded.
  RK_BESIDE void keep(uint64_t delivered) {
    if (count_ == kRuns) {
      b_.now_us = b_.host->now_us(b_.host->context);
      record_kept();
    }
    runs_[count_++] = {stamp_, delivered - first_};
    first_ = delivered;
  }
  RK_BESIDE void record_kept() {
    for (uint32_t i = 0; i < count_; ++i) record(runs_[i]);
    count_ = 0;
  }
  RK_HD void record(const Run& run) {
    const uint64_t sent = hlc_microseconds(run.stamp);
    b_.counters->latency.record(b_.now_us > sent ? b_.now_us - sent : 0, run.messages);
  }

  Block& b_;
  uint64_t stamp_ = 0;
  uint64_t first_ = 0;  // where in the batch the run began
  uint64_t last_ = 0;   // messages of the run that ended last
  uint32_t count_ = 0;  // runs before it that are not recorded
  Run runs_[kRuns];
};

}  // namespace ringkernel
