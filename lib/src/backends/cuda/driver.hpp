// CUDA's driver, opened at run time and once per process, and the devices that it knows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cuda/driver_api.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::backends::cuda {

// What is known of a device before a context is made on it.
struct DeviceProperties {
  int ordinal = 0;
  CUdevice handle = 0;
  std::string name;
  std::string uuid;          // "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", as nvidia-smi writes it
  std::string pci;           // "0000:01:00.0"
  int major = 0, minor = 0;  // compute capability
  uint64_t memory = 0;       // bytes
  int multiprocessors = 0;
  int warp_size = 32;
  int max_threads_per_block = 0;
  int max_threads_per_multiprocessor = 0;
  int max_blocks_per_multiprocessor = 0;
  int registers_per_block = 0;
  int registers_per_multiprocessor = 0;
  int shared_memory_per_block = 0;        // bytes without asking
  int shared_memory_per_block_optin = 0;  // bytes that a kernel may ask for
  int shared_memory_per_multiprocessor = 0;
  int shared_memory_reserved_per_block = 0;  // bytes that CUDA itself takes of each block's
  int compute_mode = kComputeModeDefault;
  bool cooperative_launch = false;
  bool cluster_launch = false;
  bool watchdog = false;  // the display's: it ends kernels that run for seconds
  bool mps = false;
  bool mig = false;  // a slice of a GPU
  bool unified_addressing = false;
  bool can_map_host_memory = false;
  bool host_native_atomic = false;
  std::vector<int> peers;  // ordinals of the devices whose memory it can reach

  // What of a resident kernel's needs it lacks, in one sentence; empty: nothing.
  std::string unusable() const;
};

class Driver {
 public:
  // The driver of this process; opened at the first call, the same answer from then on, from any
  // thread. The library is the one that RINGK_CUDA_LIBRARY names, else libcuda.so.1.
  // BackendUnavailable, with the reason in one sentence: there is no library, it lacks a function,
  // it does not start, CUDA_LAUNCH_BLOCKING is set.
  static Result<const Driver*> open();

  const DriverApi& api() const { return api_; }
  int version() const { return version_; }  // 13000: CUDA 13.0

  // `what` was tried and answered `result`: OutOfMemory where memory is what lacks, else
  // OutOfMemory or DeviceError, with CUDA's name and sentence.
  Error error(CUresult result, std::string_view what) const;

  // Every device, in CUDA's order, usable or not: see DeviceProperties::unusable().
  Result<std::vector<DeviceProperties>> devices() const;

 private:
  Driver() = default;
  Result<void> load();
  Result<void> start();
  Result<DeviceProperties> device(int ordinal) const;

  DriverApi api_;
  int version_ = 0;
};

}  // namespace ringkernel::backends::cuda
