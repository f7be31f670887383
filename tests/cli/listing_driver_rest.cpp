// The functions of the driver that the test double does not have: they only must be there. Weak, so
// that those which it has come before these.
#include "backends/cuda/driver_api.hpp"

#pragma GCC diagnostic ignored "-Wunused-parameter"

namespace ringkernel::backends::cuda {
#define RK_REST(member, symbol, parameters)                                            \
  extern "C" __attribute__((weak, visibility("default"))) CUresult symbol parameters { \
    return kErrorNotSupported;                                                         \
  }
RK_CUDA_DRIVER_API(RK_REST)
}  // namespace ringkernel::backends::cuda
