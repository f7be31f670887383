// The entry of a kernel that stays on a device: what the driver launches, or the simulation of one.
#pragma once

#include "ringkernel/device/resident.hpp"

#if defined(__CUDACC__)
#define RK_EXPORT_RESIDENT(Handler)                                           \
  extern "C" __global__ void rk_resident(ringkernel::ResidentFrame* frames) { \
    ringkernel::Resident<Handler>::run(frames, ringkernel::DeviceThread{});   \
  }
#else
#define RK_EXPORT_RESIDENT(Handler)                                                \
  extern "C" __attribute__((visibility("default"))) void rk_resident(              \
      ringkernel::ResidentFrame* frames, const ringkernel::DeviceThread* thread) { \
    ringkernel::Resident<Handler>::run(frames, *thread);                           \
  }
#endif
