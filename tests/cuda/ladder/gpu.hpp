// The GPU of the baselines: the driver used directly, beside the library's own use of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backends/cuda/device_memory.hpp"
#include "backends/cuda/driver.hpp"

namespace ladder {

namespace cuda = ringkernel::backends::cuda;

class Gpu {
 public:
  // Opens device 0 and compiles baseline_kernels.hpp, which stands in `source`/tests. Throws Wrong
  // with the reason.
  explicit Gpu(const std::string& source);
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  const cuda::DeviceProperties& properties() const { return properties_; }
  const cuda::DriverApi& api() const { return driver_->api(); }
  const cuda::GraphApi& graphs() const { return graphs_; }
  void demand_ok(cuda::CUresult result, const char* what) const;

  cuda::CUfunction one_message = nullptr;
  cuda::CUfunction batch = nullptr;
  cuda::CUfunction ping_pong = nullptr;
  cuda::CUfunction load = nullptr;

  // Zeroed; kept until the process ends.
  template <class T>
  T* mapped(size_t count) {
    return static_cast<T*>(mapped_bytes(count * sizeof(T)));
  }
  template <class T>
  T* on_device(size_t count) {
    return static_cast<T*>(device_bytes(count * sizeof(T)));
  }

  cuda::CUstream stream() const { return stream_; }
  template <class Call>
  void launch(cuda::CUfunction kernel, uint32_t grid, uint32_t block, Call& call) const {
    void* arguments[] = {&call};
    demand_ok(api().cuLaunchKernel(kernel, grid, 1, 1, block, 1, 1, 0, stream_, arguments, nullptr),
              "launching");
  }
  void synchronize() const { demand_ok(api().cuStreamSynchronize(stream_), "synchronising"); }

 private:
  std::string compile(const std::string& source) const;
  void* mapped_bytes(size_t bytes);
  void* device_bytes(size_t bytes);

  const cuda::Driver* driver_ = nullptr;
  cuda::DeviceProperties properties_;
  cuda::GraphApi graphs_;
  cuda::CUstream stream_ = nullptr;
  cuda::DeviceMemory mapped_;
  cuda::DeviceMemory on_device_;
};

}  // namespace ladder
