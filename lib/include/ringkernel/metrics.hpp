// Figures of a kernel and of a runtime, all counted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ringkernel/kernel_state.hpp"
#include "ringkernel/launch_options.hpp"

namespace ringkernel {

struct KernelStatus {
  std::string id;
  KernelState state = KernelState::Created;
  KernelMode mode = KernelMode::Persistent;
  size_t input_queue_depth = 0;   // messages in the rings that lead to it
  size_t output_queue_depth = 0;  // messages that wait in the rings that lead away from it
  uint64_t messages_processed = 0;
  std::chrono::nanoseconds uptime{};  // since launch, until termination
  bool k2k = false;                   // enable_k2k, or wired to another kernel
};

// Latencies up to `upper_us` microseconds, and above those of the bucket before.
struct LatencyBucket {
  uint64_t upper_us = 0;
  uint64_t count = 0;
};

struct KernelMetrics {
  uint64_t messages_processed = 0;  // handled, and failed
  uint64_t messages_failed = 0;
  uint64_t messages_dropped = 0;   // by the policies of its in-edges
  uint64_t messages_sent = 0;      // offered on its out-edges, each copy
  uint64_t messages_received = 0;  // given to its handler
  // From the sender's stamp to the end of the batch (with profiling: of the message), microseconds.
  uint64_t latency_total_us = 0, latency_min_us = 0, latency_max_us = 0;
  uint64_t latency_p50_us = 0, latency_p99_us = 0;
  std::vector<LatencyBucket> latency_histogram;  // buckets that hold something, within 12.5 %
  size_t input_queue_depth = 0, output_queue_depth = 0;
  uint64_t invocations = 0;  // batches
  uint64_t stolen = 0;       // messages taken from sibling blocks
  std::string last_error;    // "reason: detail" of the last message or hook that failed
  std::chrono::nanoseconds uptime{};
  uint64_t bytes_to_device = 0, bytes_from_device = 0;  // 0 on the CPU
  // What its blocks have read over the bus to find nothing, in sectors of 32 bytes and without the
  // bus's own headers; counted on the device. 0 on the CPU and where it is started per batch.
  uint64_t bytes_polled = 0;
  uint64_t gpu_memory_used = 0;   // bytes, 0 on the CPU
  uint64_t host_memory_used = 0;  // bytes reserved for its state and rings
  KernelState state = KernelState::Created;
  bool gpu_launched = false;
};

struct RuntimeMetrics {
  size_t active_kernels = 0;
  uint64_t total_launched = 0;
  uint64_t messages_sent = 0;      // by the host to kernels
  uint64_t messages_received = 0;  // by the host from kernels
  uint64_t gpu_memory_used = 0;    // bytes
  uint64_t host_memory_used = 0;   // bytes committed by rings and state
  uint64_t dead_letters = 0;
  uint64_t requests_sent = 0, requests_replied = 0, requests_failed = 0, requests_no_reply = 0,
           requests_timed_out = 0, requests_pending = 0;
};

}  // namespace ringkernel
