// How a kernel is launched: the seed runtime's LaunchOptions and SchedulerConfig, by the same names
// and defaults. A topology's `launch:` says the same.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ringkernel/export.hpp"

namespace ringkernel {

// Where kernels run. Metal and Wgpu are reserved names: asking for them answers BackendUnavailable.
enum class Backend : uint8_t { Cpu, Cuda, Metal, Wgpu, Auto };
RK_API std::string_view to_string(Backend backend);  // "CPU", "CUDA", "Metal", "WebGPU", "Auto"

// Persistent: stays resident and polls. EventDriven: started per batch, never spins.
enum class KernelMode : uint8_t { Persistent, EventDriven };
RK_API std::string_view to_string(KernelMode mode);  // "persistent", "event_driven"

enum class Priority : uint8_t { Low = 0, Normal = 1, High = 2, Critical = 3 };
RK_API std::string_view to_string(Priority priority);  // "low", "normal", "high", "critical"

enum class SchedulerStrategy : uint8_t { Static, WorkStealing, RoundRobin, Priority };
RK_API std::string_view to_string(SchedulerStrategy strategy);  // "static", "work_stealing", ...

// How messages are spread over a kernel's blocks.
struct SchedulerConfig {
  SchedulerStrategy strategy = SchedulerStrategy::Static;
  uint32_t steal_threshold =
      4;  // WorkStealing: a block with fewer messages than this looks at its siblings
  uint32_t share_threshold =
      64;  // WorkStealing: a sibling with more messages than this may be stolen from
  uint32_t max_steal_batch = 16;    // WorkStealing: most messages taken at once
  uint32_t steal_neighborhood = 4;  // WorkStealing: how many siblings are looked at
  uint32_t levels = 4;              // Priority: rings per edge, 1 to 16

  RK_API static SchedulerConfig work_stealing(uint32_t steal_threshold);
  RK_API static SchedulerConfig round_robin();
  RK_API static SchedulerConfig priority(uint32_t levels);
  RK_API SchedulerConfig& with_share_threshold(uint32_t messages);
  RK_API SchedulerConfig& with_max_steal_batch(uint32_t messages);
  RK_API SchedulerConfig& with_steal_neighborhood(uint32_t blocks);
};

inline constexpr uint32_t kMostBatch = 1U << 24;
inline constexpr std::chrono::milliseconds kLeastLease{100};
inline constexpr std::chrono::hours kMostLease{24};

struct LaunchOptions {
  KernelMode mode = KernelMode::Persistent;
  uint32_t grid_size = 1;               // blocks: replicas of the actor
  uint32_t block_size = 256;            // threads per block; on the CPU only `threads` runs several
  size_t input_queue_capacity = 1024;   // per ring, rounded up to a power of two
  size_t output_queue_capacity = 1024;  // of edges to outputs and to the host
  size_t shared_memory_size = 0;        // bytes per block, ctx.shared<T>()
  // Blocks of a cluster, 1 to 8, of which grid_size is a multiple: a GPU from compute
  // capability 9.0 runs them side by side, and a kernel's wire to itself joins them by way of their
  // shared memory. Elsewhere it changes nothing.
  uint32_t cluster_size = 1;
  // EventDriven on a GPU: a launch takes so many messages per block at most, and begins when so
  // many wait, or the first has waited so long.
  uint32_t batch_size = 1024;
  std::chrono::microseconds batch_delay{0};
  // On a GPU: how long its blocks stay when the host shows no life, kLeastLease to kMostLease.
  std::chrono::microseconds lease{5'000'000};
  bool auto_activate = true;
  bool cooperative = false;  // all blocks are one actor: granularity grid
  bool enable_k2k = false;   // K2K edges may leave and enter; connect() switches it on, see status
  std::optional<SchedulerConfig> scheduler;
  Priority priority = Priority::Normal;  // which runnable block a worker takes first
  uint32_t threads = 1;  // CPU only: threads that run a block's handler (`ringk test --threads`)

  RK_API static LaunchOptions single_block(uint32_t block_size);
  RK_API static LaunchOptions multi_block(uint32_t grid_size, uint32_t block_size);
  RK_API LaunchOptions& with_mode(KernelMode value);
  RK_API LaunchOptions& with_grid_size(uint32_t blocks);
  RK_API LaunchOptions& with_block_size(uint32_t threads_per_block);
  RK_API LaunchOptions& with_queue_capacity(size_t capacity);  // both queues
  RK_API LaunchOptions& with_input_queue_capacity(size_t capacity);
  RK_API LaunchOptions& with_output_queue_capacity(size_t capacity);
  RK_API LaunchOptions& with_shared_memory(size_t bytes);
  RK_API LaunchOptions& with_cluster_size(uint32_t blocks);
  RK_API LaunchOptions& with_batch(uint32_t size, std::chrono::microseconds delay);
  RK_API LaunchOptions& with_lease(std::chrono::microseconds value);
  RK_API LaunchOptions& without_auto_activate();
  RK_API LaunchOptions& with_cooperative(bool enable);
  RK_API LaunchOptions& with_k2k(bool enable);
  RK_API LaunchOptions& with_scheduler(SchedulerConfig config);
  RK_API LaunchOptions& with_priority(Priority value);
  RK_API LaunchOptions& with_threads(uint32_t count);
};

}  // namespace ringkernel
