#include "core/arena.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringkernel {
namespace {

constexpr size_t kChunk = size_t{64} << 20;
constexpr size_t kPage = 4096;

size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

Arena::~Arena() {
  for (const Chunk& chunk : chunks_) munmap(chunk.memory, chunk.size);
  if (fd_ >= 0) close(fd_);
}

Result<Arena::Chunk> Arena::grow(size_t bytes) {
  if (fd_ < 0) {
    fd_ = memfd_create("ringkernel", MFD_CLOEXEC);
    if (fd_ < 0)
      return fail(ErrorCode::OutOfMemory, std::string("memfd_create: ") + std::strerror(errno));
  }
  size_t size = std::max(kChunk, round_up(bytes, kPage));
  if (ftruncate(fd_, static_cast<off_t>(file_size_ + size)) != 0)
    return fail(ErrorCode::OutOfMemory,
                std::string("cannot grow the arena: ") + std::strerror(errno));
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_,
                      static_cast<off_t>(file_size_));
  if (memory == MAP_FAILED)
    return fail(ErrorCode::OutOfMemory,
                "cannot map " + std::to_string(size) + " bytes: " + std::strerror(errno));
  chunks_.push_back({static_cast<unsigned char*>(memory), size, 0});
  file_size_ += size;
  return chunks_.back();
}

Result<void*> Arena::allocate(size_t bytes, Use use) {
  bytes = round_up(std::max<size_t>(bytes, 1), kAlignment);
  std::lock_guard lock(mutex_);
  if (auto it = free_.find(bytes); it != free_.end() && !it->second.empty()) {
    void* memory = it->second.back();
    it->second.pop_back();
    return memory;
  }
  Chunk& chunk = bytes >= kPage ? large_ : use == Use::Soon ? small_ : rare_;
  if (chunk.size - chunk.used < bytes) {
    auto grown = grow(bytes);
    if (!grown) return tl::unexpected(grown.error());
    chunk = *grown;
  }
  void* memory = chunk.memory + chunk.used;
  chunk.used += bytes;
  return memory;
}

void Arena::release(void* memory, size_t bytes) {
  if (memory == nullptr) return;
  bytes = round_up(std::max<size_t>(bytes, 1), kAlignment);
  auto* begin = static_cast<unsigned char*>(memory);
  auto* end = begin + bytes;
  auto* first_page =
      reinterpret_cast<unsigned char*>(round_up(reinterpret_cast<uintptr_t>(begin), kPage));
  auto* last_page =
      reinterpret_cast<unsigned char*>(reinterpret_cast<uintptr_t>(end) / kPage * kPage);
  std::lock_guard lock(mutex_);
  if (first_page < last_page &&
      madvise(first_page, static_cast<size_t>(last_page - first_page), MADV_REMOVE) == 0) {
    std::memset(begin, 0, static_cast<size_t>(first_page - begin));
    std::memset(last_page, 0, static_cast<size_t>(end - last_page));
  } else {
    std::memset(begin, 0, bytes);
  }
  free_[bytes].push_back(memory);
}

void Arena::decommit(void* memory, size_t bytes) {
  auto begin = round_up(reinterpret_cast<uintptr_t>(memory), kPage);
  auto end = (reinterpret_cast<uintptr_t>(memory) + bytes) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_REMOVE);
}

uint64_t Arena::committed() const {
  std::lock_guard lock(mutex_);
  struct stat s {};
  if (fd_ < 0 || fstat(fd_, &s) != 0) return 0;
  return static_cast<uint64_t>(s.st_blocks) * 512U;
}

}  // namespace ringkernel
