// The entry of a kernel that stays on a device, what the driver launches or the simulation of one;
// and what of the handler only its compiler knows.
#pragma once

#include "ringkernel/device/resident.hpp"

namespace ringkernel::traits {

// Bits 0 to 31: bytes of State; 32 to 39: its alignment; then one each for on_start, on_stop and
// on_poll. One number, as the host reads it in the text of the PTX: see handlers/nvrtc_output.hpp.
template <class H>
RK_HD constexpr uint64_t layout_of() {
  static_assert(is_sound<H>());
  using State = typename StateOf<H>::Type;
  uint64_t layout = alignof(State) << 32;
  if (!is_same_type<State, Nothing>) layout |= sizeof(State);
  if (has_start<H>) layout |= 1ULL << 40;
  if (has_stop<H>) layout |= 1ULL << 41;
  if (has_poll<H>) layout |= 1ULL << 42;
  return layout;
}

}  // namespace ringkernel::traits

#if defined(__CUDACC__)
#define RK_EXPORT_RESIDENT(Handler)                                           \
  extern "C" __global__ void rk_resident(ringkernel::ResidentFrame* frames) { \
    ringkernel::Resident<Handler>::run(frames, ringkernel::DeviceThread{});   \
  }                                                                           \
  extern "C" __device__ const uint64_t rk_layout = ringkernel::traits::layout_of<Handler>();
#else
#define RK_EXPORT_RESIDENT(Handler)                                                \
  extern "C" __attribute__((visibility("default"))) void rk_resident(              \
      ringkernel::ResidentFrame* frames, const ringkernel::DeviceThread* thread) { \
    ringkernel::Resident<Handler>::run(frames, *thread);                           \
  }                                                                                \
  extern "C" __attribute__((visibility("default"))) const uint64_t rk_layout =     \
      ringkernel::traits::layout_of<Handler>();
#endif
