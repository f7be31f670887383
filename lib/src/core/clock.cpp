#include "core/clock.hpp"

#include <time.h>

namespace ringkernel {
namespace {

timespec time_of(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return t;
}

}  // namespace

uint64_t wall_us() {
  timespec t = time_of(CLOCK_REALTIME);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000U + static_cast<uint64_t>(t.tv_nsec) / 1000U;
}

uint64_t monotonic_ns() {
  timespec t = time_of(CLOCK_MONOTONIC);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace ringkernel
