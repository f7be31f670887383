// When the messages of an input are due in an open loop: at a fixed rate, whatever the graph makes
// of them, so that a stall delays the messages behind it too and is not left out of the latency.
#pragma once

#include <cstdint>

namespace ringkernel::launcher {

struct LoadSchedule {
  double interval_ns = 0;  // between two messages of this input; 0: closed loop, always due
  double first_ns = 0;     // inputs take turns
  uint64_t start_ns = 0;   // monotonic

  bool open() const { return interval_ns > 0; }
  uint64_t due_ns(uint64_t message) const {
    return start_ns + static_cast<uint64_t>(first_ns + interval_ns * static_cast<double>(message));
  }
};

}  // namespace ringkernel::launcher
