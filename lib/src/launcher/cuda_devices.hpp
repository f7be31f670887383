#pragma once

#include <vector>

#include "ringkernel/machine.hpp"

namespace ringkernel::launcher {

// Every GPU that CUDA's driver knows; where it knows none, one entry "cuda" that says why.
std::vector<DeviceInfo> cuda_devices();

}  // namespace ringkernel::launcher
