// A hybrid logical clock: strictly increasing under any number of threads, close to the wall clock,
// and later than every remote stamp it has been shown.
// Kulkarni et al., "Logical Physical Clocks", 2014. Layout: device/clock.hpp.
#pragma once

#include <atomic>
#include <cstdint>

#include "ringkernel/error.hpp"
#include "ringkernel/export.hpp"

namespace ringkernel {

class RK_API Hlc {
 public:
  // A remote clock may be at most this far ahead of the wall clock.
  static constexpr uint64_t kMaxSkewUs = 60'000'000;

  // A stamp later than every earlier one of this clock. One compare-and-swap.
  uint64_t now();

  // Takes a remote stamp into account: the next now() is later than it. Fails with ClockSkew, and
  // changes nothing, where it is more than kMaxSkewUs ahead.
  Result<void> observe(uint64_t remote);

 private:
  std::atomic<uint64_t> last_{0};
};

}  // namespace ringkernel
