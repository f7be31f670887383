// Memory of rings, counters and state tables: one memfd, zeroed, committed on first use, so that a
// thousand idle kernels cost next to nothing and another process can map it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "ringkernel/error.hpp"

namespace ringkernel {

class Arena {
 public:
  static constexpr size_t kAlignment = 128;

  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Whether memory is touched as soon as it is there. What is not lies apart from what is.
  enum class Use : uint8_t { Soon, Rare };
  // Zeroed memory, aligned to 128. Fails with OutOfMemory.
  Result<void*> allocate(size_t bytes, Use use = Use::Soon);
  // Gives memory back to the system and keeps its addresses for an equal allocation.
  void release(void* memory, size_t bytes);
  // Gives whole pages of allocated memory back to the system; their bytes become zero.
  void decommit(void* memory, size_t bytes);
  // Bytes of physical memory in use.
  uint64_t committed() const;

 private:
  struct Chunk {
    unsigned char* memory;
    size_t size;
    size_t used;
  };
  Result<Chunk> grow(size_t bytes);

  mutable std::mutex mutex_;
  int fd_ = -1;
  size_t file_size_ = 0;
  std::vector<Chunk> chunks_;
  // Where allocations go on. What takes less than a page lies apart: between rings, of which most
  // pages are never touched, each would take a page of its own.
  Chunk small_{};
  Chunk rare_{};  // small too
  Chunk large_{};
  std::map<size_t, std::vector<void*>> free_;
};

}  // namespace ringkernel
