#include "ringkernel/hlc.hpp"

#include <string>

#include "core/clock.hpp"
#include "ringkernel/device/clock.hpp"

namespace ringkernel {

uint64_t Hlc::now() {
  uint64_t last = last_.load(std::memory_order_relaxed);
  for (;;) {
    uint64_t next = hlc_next(wall_us(), last, 0);
    if (last_.compare_exchange_weak(last, next, std::memory_order_acq_rel,
                                    std::memory_order_relaxed))
      return next;
  }
}

Result<void> Hlc::observe(uint64_t remote) {
  uint64_t wall = wall_us();
  uint64_t remote_us = hlc_microseconds(remote);
  if (remote_us > wall + kMaxSkewUs)
    return fail(ErrorCode::ClockSkew,
                "remote clock is " + std::to_string((remote_us - wall) / 1'000'000) +
                    " s ahead, more than " + std::to_string(kMaxSkewUs / 1'000'000) + " s");
  uint64_t last = last_.load(std::memory_order_relaxed);
  while (last < remote && !last_.compare_exchange_weak(last, remote, std::memory_order_acq_rel,
                                                       std::memory_order_relaxed)) {
  }
  return {};
}

}  // namespace ringkernel
