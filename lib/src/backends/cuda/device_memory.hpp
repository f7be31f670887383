// Memory of one device, or of the host as the device sees it, in chunks that are never given back
// while a kernel is resident: freeing waits until the device has nothing to do, and with a resident
// kernel that is never.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "ringkernel/error.hpp"

namespace ringkernel::backends::cuda {

class DeviceMemory {
 public:
  static constexpr size_t kAlignment = 256;
  static constexpr size_t kChunk = size_t{32} << 20;

  // `take` asks the driver for a chunk; `give` returns one, when the device is closed.
  DeviceMemory(std::function<Result<char*>(size_t bytes)> take, std::function<void(char*)> give)
      : take_(std::move(take)), give_(std::move(give)) {}
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  // Not zeroed: it may have been used before. OutOfMemory.
  Result<char*> allocate(size_t bytes);
  void release(char* memory);
  void clear();  // returns every chunk

 private:
  std::function<Result<char*>(size_t)> take_;
  std::function<void(char*)> give_;
  mutable std::mutex mutex_;
  std::vector<char*> chunks_;
  std::map<char*, size_t> free_;  // neighbours in one chunk are joined
  std::map<char*, size_t> taken_;
  std::map<char*, size_t> ends_;  // chunk begin -> bytes
};

}  // namespace ringkernel::backends::cuda
