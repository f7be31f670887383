// Memory of the host that the GPU which the tests run on sees at the same address.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "backends/cuda/driver_api.hpp"

// Zeroed, and never freed: freeing waits for every kernel that is resident. Null: there is none.
inline void* mapped_memory(size_t bytes) {
  using namespace ringkernel::backends::cuda;
  const char* told = std::getenv("RINGK_CUDA_LIBRARY");
  void* library = dlopen(told != nullptr && *told != '\0' ? told : "libcuda.so.1", RTLD_NOW);
  if (library == nullptr) return nullptr;
  DriverApi api;
#define RK_FIND(member, symbol, parameters) \
  api.member = reinterpret_cast<CUresult(*) parameters>(dlsym(library, #symbol));
  RK_CUDA_DRIVER_API(RK_FIND)
#undef RK_FIND
  setenv("CUDA_MODULE_LOADING", "EAGER", 1);  // as the library does, before cuInit reads it
  CUcontext context = nullptr;
  void* memory = nullptr;
  const unsigned flags = kMemHostAllocPortable | kMemHostAllocDeviceMap;
  if (api.cuInit(0) != kSuccess || api.cuDevicePrimaryCtxRetain(&context, 0) != kSuccess ||
      api.cuCtxSetCurrent(context) != kSuccess ||
      api.cuMemHostAlloc(&memory, bytes, flags) != kSuccess)
    return nullptr;
  std::memset(memory, 0, bytes);
  return memory;
}
