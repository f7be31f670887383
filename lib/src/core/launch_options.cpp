#include "ringkernel/launch_options.hpp"

namespace ringkernel {

std::string_view to_string(Backend backend) {
  switch (backend) {
    case Backend::Cpu:
      return "CPU";
    case Backend::Cuda:
      return "CUDA";
    case Backend::Metal:
      return "Metal";
    case Backend::Wgpu:
      return "WebGPU";
    case Backend::Auto:
      return "Auto";
  }
  return "unknown";
}

std::string_view to_string(KernelMode mode) {
  return mode == KernelMode::Persistent ? "persistent" : "event_driven";
}

std::string_view to_string(Priority priority) {
  switch (priority) {
    case Priority::Low:
      return "low";
    case Priority::Normal:
      return "normal";
    case Priority::High:
      return "high";
    case Priority::Critical:
      return "critical";
  }
  return "unknown";
}

std::string_view to_string(SchedulerStrategy strategy) {
  switch (strategy) {
    case SchedulerStrategy::Static:
      return "static";
    case SchedulerStrategy::WorkStealing:
      return "work_stealing";
    case SchedulerStrategy::RoundRobin:
      return "round_robin";
    case SchedulerStrategy::Priority:
      return "priority";
  }
  return "unknown";
}

SchedulerConfig SchedulerConfig::work_stealing(uint32_t steal_threshold) {
  SchedulerConfig config;
  config.strategy = SchedulerStrategy::WorkStealing;
  config.steal_threshold = steal_threshold;
  return config;
}

SchedulerConfig SchedulerConfig::round_robin() {
  SchedulerConfig config;
  config.strategy = SchedulerStrategy::RoundRobin;
  return config;
}

SchedulerConfig SchedulerConfig::priority(uint32_t levels) {
  SchedulerConfig config;
  config.strategy = SchedulerStrategy::Priority;
  config.levels = levels;
  return config;
}

SchedulerConfig& SchedulerConfig::with_share_threshold(uint32_t messages) {
  share_threshold = messages;
  return *this;
}

SchedulerConfig& SchedulerConfig::with_max_steal_batch(uint32_t messages) {
  max_steal_batch = messages;
  return *this;
}

SchedulerConfig& SchedulerConfig::with_steal_neighborhood(uint32_t blocks) {
  steal_neighborhood = blocks;
  return *this;
}

LaunchOptions LaunchOptions::single_block(uint32_t block_size) {
  return multi_block(1, block_size);
}

LaunchOptions LaunchOptions::multi_block(uint32_t grid_size, uint32_t block_size) {
  LaunchOptions options;
  options.grid_size = grid_size;
  options.block_size = block_size;
  return options;
}

LaunchOptions& LaunchOptions::with_mode(KernelMode value) {
  mode = value;
  return *this;
}

LaunchOptions& LaunchOptions::with_batch(uint32_t size, std::chrono::microseconds delay) {
  batch_size = size;
  batch_delay = delay;
  return *this;
}

LaunchOptions& LaunchOptions::with_lease(std::chrono::microseconds value) {
  lease = value;
  return *this;
}

LaunchOptions& LaunchOptions::with_grid_size(uint32_t blocks) {
  grid_size = blocks;
  return *this;
}

LaunchOptions& LaunchOptions::with_block_size(uint32_t threads_per_block) {
  block_size = threads_per_block;
  return *this;
}

LaunchOptions& LaunchOptions::with_queue_capacity(size_t capacity) {
  input_queue_capacity = capacity;
  output_queue_capacity = capacity;
  return *this;
}

LaunchOptions& LaunchOptions::with_input_queue_capacity(size_t capacity) {
  input_queue_capacity = capacity;
  return *this;
}

LaunchOptions& LaunchOptions::with_output_queue_capacity(size_t capacity) {
  output_queue_capacity = capacity;
  return *this;
}

LaunchOptions& LaunchOptions::with_shared_memory(size_t bytes) {
  shared_memory_size = bytes;
  return *this;
}

LaunchOptions& LaunchOptions::with_cluster_size(uint32_t blocks) {
  cluster_size = blocks;
  return *this;
}

LaunchOptions& LaunchOptions::without_auto_activate() {
  auto_activate = false;
  return *this;
}

LaunchOptions& LaunchOptions::with_cooperative(bool enable) {
  cooperative = enable;
  return *this;
}

LaunchOptions& LaunchOptions::with_k2k(bool enable) {
  enable_k2k = enable;
  return *this;
}

LaunchOptions& LaunchOptions::with_scheduler(SchedulerConfig config) {
  scheduler = config;
  return *this;
}

LaunchOptions& LaunchOptions::with_priority(Priority value) {
  priority = value;
  return *this;
}

LaunchOptions& LaunchOptions::with_threads(uint32_t count) {
  threads = count;
  return *this;
}

}  // namespace ringkernel
