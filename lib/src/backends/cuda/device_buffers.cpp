#include "backends/cuda/device_buffers.hpp"

#include <algorithm>

namespace ringkernel::backends::cuda {
namespace {

// What crosses the bus at a time, by way of pinned memory: for other memory the driver may wait
// until the device has nothing to do, and with a resident kernel that is never.
constexpr uint64_t kPart = uint64_t{4} << 20;

}  // namespace

Result<void> DeviceBuffers::check(CUresult result, const char* what) const {
  if (result == kSuccess) return {};
  return tl::unexpected(device_->driver().error(result, what + (" " + device_->name())));
}

Result<void> DeviceBuffers::take(const BufferInfo& info) {
  auto memory = device_->memory().allocate(info.bytes);
  if (!memory) {
    Error error = memory.error();
    size_t free = 0, total = 0;
    if (error.code == ErrorCode::OutOfMemory &&
        device_->api().cuMemGetInfo(&free, &total) == kSuccess)
      error.message = "buffer '" + std::string(info.name) + "' takes " +
                      std::to_string(info.bytes) + " bytes, and " + std::to_string(free) + " of " +
                      std::to_string(total) + " are free on " + device_->name();
    return tl::unexpected(std::move(error));
  }
  buffers_.push_back(*memory);
  sizes_.push_back(info.bytes);
  bytes_ += info.bytes;
  return {};
}

Result<void> DeviceBuffers::lay_out(const HandlerModule& module,
                                    const std::vector<FillPart>& contents, CUstream stream) {
  const DriverApi& api = device_->api();
  if (auto done = device_->enter(); !done) return done;
  for (uint32_t i = 0; i < module.buffer_count; ++i)
    if (auto done = take(module.buffers[i]); !done) return done;
  for (uint32_t i = 0; i < module.buffer_count; ++i) {
    const bool given = i < contents.size() && contents[i] != nullptr;
    auto done = in_parts(i, [&](std::span<std::byte> pinned, CUdeviceptr at) -> Result<void> {
      // Zeroes are copied too: the driver's own are a kernel, which a full device has no room for.
      if (!given) std::fill(pinned.begin(), pinned.end(), std::byte{0});
      if (auto filled = given ? contents[i](pinned) : Result<void>(); !filled) return filled;
      if (auto copied = check(api.cuMemcpyHtoDAsync(at, pinned.data(), pinned.size(), stream),
                              "filling a buffer on");
          !copied)
        return copied;
      if (given) filled_ += pinned.size();
      return check(api.cuStreamSynchronize(stream), "filling a buffer on");
    });
    if (!done) return done;
  }
  return {};
}

Result<void> DeviceBuffers::in_parts(uint32_t buffer, const Move& move) {
  const uint64_t size = sizes_[buffer];
  auto pinned = device_->mapped().allocate(std::min(size, kPart));
  if (!pinned) return tl::unexpected(pinned.error());
  Result<void> done;
  for (uint64_t at = 0; done && at < size; at += kPart)
    done = move({reinterpret_cast<std::byte*>(*pinned), std::min(kPart, size - at)},
                reinterpret_cast<CUdeviceptr>(buffers_[buffer]) + at);
  device_->mapped().release(*pinned);
  return done;
}

Result<void> DeviceBuffers::read(uint32_t buffer, const TakePart& take, CUstream stream) {
  const DriverApi& api = device_->api();
  if (auto done = device_->enter(); !done) return done;
  return in_parts(buffer, [&](std::span<std::byte> pinned, CUdeviceptr at) -> Result<void> {
    auto copied = check(api.cuMemcpyDtoHAsync(pinned.data(), at, pinned.size(), stream),
                        "reading a buffer of");
    if (copied) copied = check(api.cuStreamSynchronize(stream), "reading a buffer of");
    if (copied) read_ += pinned.size();
    return copied ? take(pinned) : copied;
  });
}

void DeviceBuffers::drop() {
  for (void* memory : buffers_) device_->memory().release(static_cast<char*>(memory));
  buffers_.clear();
  sizes_.clear();
  bytes_ = 0;
}

}  // namespace ringkernel::backends::cuda
