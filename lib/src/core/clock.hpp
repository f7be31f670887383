// Time: the wall clock in microseconds since 1970, and a monotonic one in nanoseconds.
#pragma once

#include <cstdint>

namespace ringkernel {

uint64_t wall_us();
uint64_t monotonic_ns();

}  // namespace ringkernel
