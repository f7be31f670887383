// The buffers of one kernel in a device's memory.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cuda/device.hpp"

namespace ringkernel::backends::cuda {

class DeviceBuffers {
 public:
  explicit DeviceBuffers(std::shared_ptr<Device> device) : device_(std::move(device)) {}
  DeviceBuffers(const DeviceBuffers&) = delete;
  DeviceBuffers& operator=(const DeviceBuffers&) = delete;
  ~DeviceBuffers() { drop(); }

  // Takes their memory and fills it; `contents` as in the module, empty: zeroes. OutOfMemory: with
  // the figures.
  Result<void> lay_out(const HandlerModule& module, const std::vector<FillPart>& contents,
                       CUstream stream);
  // REQUIRES for these: the kernel has left the device.
  Result<void> read(uint32_t buffer, const TakePart& take, CUstream stream);
  void drop();
  // A kernel that did not leave may still write to them.
  void abandon() { buffers_.clear(); }

  // Where each is, in the module's order.
  const std::vector<void*>& addresses() const { return buffers_; }
  uint64_t bytes() const { return bytes_.load(); }
  // What has crossed the bus.
  uint64_t bytes_filled() const { return filled_.load(); }
  uint64_t bytes_read() const { return read_.load(); }

 private:
  Result<void> take(const BufferInfo& info);
  // Calls move(pinned memory, the part's place on the device) for all parts of a buffer.
  using Move = std::function<Result<void>(std::span<std::byte> pinned, CUdeviceptr at)>;
  Result<void> in_parts(uint32_t buffer, const Move& move);
  Result<void> check(CUresult result, const char* what) const;

  const std::shared_ptr<Device> device_;
  std::vector<void*> buffers_;
  std::vector<uint64_t> sizes_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> filled_{0};
  std::atomic<uint64_t> read_{0};
};

}  // namespace ringkernel::backends::cuda
