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
  RK_BESIDE void begin(uint64_t stamp, uint64_t delivered) {
    if (stamp >= b_.hlc) b_.hlc = stamp + 1;
    end(delivered);
    stamp_ = stamp;
  }
  // The run ends behind `delivered` messages of the batch.
  RK_HD void end(uint64_t delivered) {
    if (delivered == first_) return;
    if (count_ == kRuns) record();
    runs_[count_++] = {stamp_, delivered - first_};
    first_ = delivered;
  }
  RK_HD void end_batch(uint64_t delivered) {
    end(delivered);
    first_ = 0;
  }
  // What has ended has taken until now.
  RK_BESIDE void record() {
    // A look at the clock takes as long as a short turn.
    if (core_ticks() >= b_.fresh_until) b_.now_us = b_.host->now_us(b_.host->context);
    b_.looked = true;
    for (uint32_t i = 0; i < count_; ++i) {
      const uint64_t sent = hlc_microseconds(runs_[i].stamp);
      b_.counters->latency.record(b_.now_us > sent ? b_.now_us - sent : 0, runs_[i].messages);
    }
    count_ = 0;
    stamp_ = 0;
  }

 private:
  struct Run {
    uint64_t stamp;
    uint64_t messages;
  };
  static constexpr uint32_t kRuns = 16;

  Block& b_;
  uint64_t stamp_ = 0;
  uint64_t first_ = 0;  // where in the batch the run began
  uint32_t count_ = 0;
  Run runs_[kRuns];
};

}  // namespace ringkernel
