// What the peer programs share: a clock and one line of JSON per result.
#pragma once
#include <time.h>

#include <cstdint>
#include <cstdio>

inline double seconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

inline void report(const char* job, const char* peer, const char* unit, double value) {
  std::printf("{\"job\":\"%s\",\"peer\":\"%s\",\"unit\":\"%s\",\"value\":%.6g}\n", job, peer, unit,
              value);
  std::fflush(stdout);
}

struct Payload {  // the 64 bytes that every actor job sends
  uint64_t word[8];
};
