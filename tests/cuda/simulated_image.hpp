// The "cubin" that the simulated NVRTC makes and the simulated driver loads: this, then a shared
// object for the host.
#pragma once

#include <cstdint>

struct SimulatedImage {
  static constexpr char kMagic[8] = {'r', 'k', '-', 's', 'i', 'm', '1', '\n'};
  char magic[8];
  uint64_t bytes;
};
