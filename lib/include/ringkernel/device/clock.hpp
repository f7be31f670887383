// The hybrid logical clock in 64 bits: 52 bits of microseconds since 1970 (good until 2112) and a
// 12-bit logical counter that carries into them. Ties are broken by (source, message id).
#pragma once

#include "ringkernel/device/platform.hpp"

namespace ringkernel {

inline constexpr uint32_t kHlcLogicalBits = 12;

RK_HD constexpr uint64_t hlc_from_microseconds(uint64_t microseconds) {
  return microseconds << kHlcLogicalBits;
}
RK_HD constexpr uint64_t hlc_microseconds(uint64_t hlc) { return hlc >> kHlcLogicalBits; }
RK_HD constexpr uint32_t hlc_logical(uint64_t hlc) {
  return static_cast<uint32_t>(hlc & ((1U << kHlcLogicalBits) - 1));
}

// The stamp of a batch: later than the wall clock, the own last stamp and the newest input.
RK_HD constexpr uint64_t hlc_next(uint64_t wall_microseconds, uint64_t own, uint64_t newest_input) {
  return max_of(max_of(hlc_from_microseconds(wall_microseconds), own), newest_input) + 1;
}

}  // namespace ringkernel
