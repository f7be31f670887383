#include "core/clock.hpp"

#include <time.h>

namespace ringkernel {
namespace {

timespec read(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return t;
}

}  // namespace

uint64_t wall_us() {
  timespec t = read(CLOCK_REALTIME);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000U + static_cast<uint64_t>(t.tv_nsec) / 1000U;
}

uint64_t monotonic_ns() {
  timespec t = read(CLOCK_MONOTONIC);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace ringkernel
