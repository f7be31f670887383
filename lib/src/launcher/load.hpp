// What one input is to be sent, and how it went. Outlives the run.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "launcher/histogram.hpp"
#include "launcher/latency_sampler.hpp"
#include "launcher/load_messages.hpp"
#include "launcher/load_schedule.hpp"

namespace ringkernel::launcher {

struct Load {
  Load(const LoadMessages& to_send, size_t windows, uint64_t window_ns)
      : messages(to_send), latencies(windows, window_ns) {}

  // Any thread, while the run is there.
  void begin() {
    begun.store(true, std::memory_order_release);
    wake();
  }
  void end() {
    over.store(true, std::memory_order_relaxed);
    wake();
  }

  const LoadMessages& messages;
  LoadSchedule schedule;         // set before begin()
  uint64_t most = ~uint64_t{0};  // how many in all
  uint16_t number = 0;           // of the input
  std::function<void()> wake;    // set by the input

  std::atomic<bool> begun{false};
  std::atomic<bool> over{false};
  std::atomic<uint64_t> sent{0};

  LatencySampler latencies;
  Histogram late;  // how long after it was due each followed message was sent
};

}  // namespace ringkernel::launcher
