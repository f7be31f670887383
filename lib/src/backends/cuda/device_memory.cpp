#include "backends/cuda/device_memory.hpp"

#include <algorithm>

namespace ringkernel::backends::cuda {

void DeviceMemory::clear() {
  std::lock_guard lock(mutex_);
  for (char* chunk : chunks_) give_(chunk);
  chunks_.clear();
  ends_.clear();
  free_.clear();
  taken_.clear();
}

Result<char*> DeviceMemory::allocate(size_t bytes) {
  bytes = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  std::lock_guard lock(mutex_);
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it)
    if (it->second >= bytes && (best == free_.end() || it->second < best->second)) best = it;
  if (best == free_.end()) {
    const size_t chunk = std::max(bytes, kChunk);
    auto memory = take_(chunk);
    if (!memory) return tl::unexpected(memory.error());
    chunks_.push_back(*memory);
    ends_.emplace(*memory, chunk);
    best = free_.emplace(*memory, chunk).first;
  }
  char* memory = best->first;
  const size_t left = best->second - bytes;
  free_.erase(best);
  if (left > 0) free_.emplace(memory + bytes, left);
  taken_.emplace(memory, bytes);
  return memory;
}

void DeviceMemory::release(char* memory) {
  std::lock_guard lock(mutex_);
  const auto taken = taken_.find(memory);
  if (taken == taken_.end()) return;
  size_t bytes = taken->second;
  taken_.erase(taken);
  auto next = free_.lower_bound(memory);
  if (next != free_.end() && next->first == memory + bytes && !ends_.contains(next->first)) {
    bytes += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin() && !ends_.contains(memory)) {
    const auto before = std::prev(next);
    if (before->first + before->second == memory) {
      before->second += bytes;
      return;
    }
  }
  free_.emplace(memory, bytes);
}

}  // namespace ringkernel::backends::cuda
