#include "backends/cuda/k2k_tables.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ringkernel::backends::cuda {

K2kTables::K2kTables(Device& device, const HandlerModule& module, const SchedulerConfig& scheduler)
    : device_(device), module_(module), scheduler_(scheduler), outs_of_(module.port_count + 1) {}

void K2kTables::release() {
  for (char* memory : device_memory_) device_.memory().release(memory);
  for (char* memory : mapped_memory_) device_.mapped().release(memory);
}

Result<size_t> K2kTables::add_block(const Block& block, K2kFrame& frame, Pump::Memory& memory) {
  constexpr size_t kBucketBytes = LatencyHistogram::kBuckets * sizeof(uint64_t);
  const size_t mapped_bytes =
      sizeof(K2kTable) + sizeof(BlockCounters) + RK_CACHE_LINE + kBucketBytes;
  const size_t pointers = kMostK2kEdges * sizeof(void*);
  const size_t device_bytes =
      sizeof(Signal) + kBucketBytes + kK2kCopies * sizeof(K2kCopy) + 2 * pointers;
  auto mapped = device_.mapped().allocate(mapped_bytes);
  if (!mapped) return tl::unexpected(mapped.error());
  mapped_memory_.push_back(*mapped);
  auto own = device_.memory().allocate(device_bytes);
  if (!own) return tl::unexpected(own.error());
  device_memory_.push_back(*own);
  std::memset(*mapped, 0, mapped_bytes);
  if (auto done = device_.clear(*own, device_bytes); !done) return tl::unexpected(done.error());

  memory.table = reinterpret_cast<K2kTable*>(*mapped);
  memory.table->host_ports = ~uint64_t{0};
  memory.counters = reinterpret_cast<BlockCounters*>(*mapped + sizeof(K2kTable));
  memory.credits = reinterpret_cast<int64_t*>(*mapped + sizeof(K2kTable) + sizeof(BlockCounters));
  memory.counters->latency.buckets =
      reinterpret_cast<uint64_t*>(memory.credits) + RK_CACHE_LINE / sizeof(uint64_t);
  frame.table = memory.table;
  frame.counters = memory.counters;
  frame.credits = memory.credits;
  char* at = *own;
  auto take = [&](size_t bytes) { return std::exchange(at, at + bytes); };
  frame.doorbell = reinterpret_cast<Signal*>(take(sizeof(Signal)));
  if (scheduler_.strategy == SchedulerStrategy::RoundRobin) {
    frame.shares_doorbell = 1;
    if (!blocks_.empty()) frame.doorbell = blocks_[0].doorbell;
  }
  if (scheduler_.strategy == SchedulerStrategy::WorkStealing) {
    K2kStealing& s = frame.stealing;
    s.steal_threshold = scheduler_.steal_threshold;
    s.share_threshold = scheduler_.share_threshold;
    s.max_steal_batch = std::max(1U, scheduler_.max_steal_batch);
    s.steal_neighborhood = scheduler_.steal_neighborhood;
    s.index = block.index;
    s.blocks = block.blocks;
  }
  frame.copies = reinterpret_cast<K2kCopy*>(take(kK2kCopies * sizeof(K2kCopy)));
  frame.latency.buckets = reinterpret_cast<uint64_t*>(take(kBucketBytes));
  char* outs = take(pointers);
  char* ins = take(pointers);
  frame.outs = reinterpret_cast<K2kOut**>(outs);
  frame.ins = reinterpret_cast<K2kIn**>(ins);
  for (uint32_t i = 0; i < module_.port_count; ++i)
    frame.largest_payload = std::max(frame.largest_payload, module_.ports[i].message.size);
  blocks_.push_back({memory.table, memory.control, outs, ins, frame.doorbell});
  return device_bytes;
}

void K2kTables::tell(const BlockTable& block) {
  if (left_) return;
  store_release(&block.control->k2k_generation, block.control->k2k_generation + 1);
}

bool K2kTables::point(char* pointers, uint32_t index, char* end) {
  return device_.upload(pointers + index * sizeof(void*), &end, sizeof end).has_value();
}

uint32_t K2kTables::add_out(const std::vector<char*>& ends, uint32_t port) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < ends.size() && point(blocks_[i].outs, outs_, ends[i]); ++i) {
    store_relaxed(&blocks_[i].table->outs, outs_ + 1);
    tell(blocks_[i]);
  }
  ++outs_of_[port];
  return outs_++;
}

void K2kTables::add_in(const std::vector<char*>& ends, uint32_t rings) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < ends.size() && point(blocks_[i].ins, ins_, ends[i]); ++i) {
    store_relaxed(&blocks_[i].table->ins, ins_ + 1);
    tell(blocks_[i]);
  }
  ++ins_;
  rings_ += rings;
}

void K2kTables::set_state(uint32_t out, K2kState state) {
  std::lock_guard lock(mutex_);
  for (const BlockTable& block : blocks_) {
    store_relaxed(&block.table->out_states[out], static_cast<uint32_t>(state));
    tell(block);
  }
}

void K2kTables::set_host_ports(uint32_t block, uint64_t ports) {
  if (blocks_.empty()) return;  // a kernel that is started per batch has none
  std::lock_guard lock(mutex_);
  if (load_relaxed(&blocks_[block].table->host_ports) == ports) return;
  store_relaxed(&blocks_[block].table->host_ports, ports);
  tell(blocks_[block]);
}

void K2kTables::leave() {
  std::lock_guard lock(mutex_);
  left_ = true;
}

bool K2kTables::is_heeded() {
  std::lock_guard lock(mutex_);
  return left_ || std::all_of(blocks_.begin(), blocks_.end(), [](const BlockTable& block) {
           return load_acquire(&block.control->state) !=
                      static_cast<uint32_t>(ResidentState::Alive) ||
                  load_acquire(&block.control->k2k_heeded) == block.control->k2k_generation;
         });
}

}  // namespace ringkernel::backends::cuda
