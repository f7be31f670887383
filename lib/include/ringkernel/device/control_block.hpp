// The state words of a kernel, shared by host and device: two lines, one writer each. A change of
// state is an epoch; the device acknowledges the epoch it has taken over, so none is lost.
#pragma once

#include "ringkernel/device/atomic.hpp"

namespace ringkernel {

enum class RunState : uint32_t { Idle = 0, Active = 1, Deactivated = 2, Stopping = 3, Stopped = 4 };

struct ControlBlock {
  // Writer: the host.
  alignas(RK_CACHE_LINE) uint64_t epoch;  // counts state changes
  uint32_t desired;                       // RunState of that epoch
  uint32_t reserved;
  uint64_t heartbeat;   // host's clock, microseconds; older than the lease: stop
  uint64_t final_tail;  // drain to here, where desired is Stopping

  // Writer: the block that runs.
  alignas(RK_CACHE_LINE) uint64_t acknowledged;  // newest epoch taken over
  uint32_t state;                                // RunState
  uint32_t error;                                // 0: none
  uint64_t processed;
  uint64_t dropped;
  uint64_t hlc;
  uint64_t device_heartbeat;
};
static_assert(sizeof(ControlBlock) == 2 * RK_CACHE_LINE);

}  // namespace ringkernel
