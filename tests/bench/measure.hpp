// What the engine's own benchmarks share: a clock, a demand, runtimes.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "ringkernel/runtime.hpp"

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A wrong result is no result.
inline void demand(bool holds) {
  if (!holds) std::abort();
}

inline ringkernel::Runtime runtime_of(uint32_t workers) {
  return ringkernel::RuntimeBuilder{}
      .backend(ringkernel::Backend::Cpu)
      .workers(workers)
      .build()
      .value();
}

// Of a kernel that the measurement activates.
inline ringkernel::LaunchOptions quiet() {
  return ringkernel::LaunchOptions::single_block(1).without_auto_activate();
}

// Seconds from the activation of the sources to the last message handled, of which the sink has to
// have handled `expected`.
inline double run_to_end(const ringkernel::Runtime& runtime,
                         const std::vector<ringkernel::KernelHandle>& sources,
                         const ringkernel::KernelHandle& sink, uint64_t expected) {
  const auto start = Clock::now();
  for (const ringkernel::KernelHandle& source : sources) demand(source.activate().has_value());
  demand(runtime.wait_idle());
  const double took = seconds_since(start);
  demand(sink.metrics().messages_processed == expected);
  return took;
}
