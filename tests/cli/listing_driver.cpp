// A test double of CUDA's driver that can only be asked what devices there are: an H100 under MPS,
// and a V100 that drives a display and is too old. RK_CUINIT: what its cuInit answers.
#include <cstdio>
#include <cstdlib>

#include "backends/cuda/driver_api.hpp"

using namespace ringkernel::backends::cuda;

#define RK_DEFINE(symbol) extern "C" __attribute__((visibility("default"))) CUresult symbol

RK_DEFINE(cuInit)(unsigned) {
  const char* loading = std::getenv("CUDA_MODULE_LOADING");
  if (loading == nullptr || loading[0] != 'E') return kErrorInvalidValue;
  const char* result = std::getenv("RK_CUINIT");
  return result == nullptr ? kSuccess : std::atoi(result);
}
RK_DEFINE(cuDriverGetVersion)(int* version) {
  *version = 13020;
  return kSuccess;
}
RK_DEFINE(cuGetErrorName)(CUresult, const char** text) {
  *text = "CUDA_ERROR_OF_TEST";
  return kSuccess;
}
RK_DEFINE(cuGetErrorString)(CUresult, const char** text) {
  *text = "as it was told";
  return kSuccess;
}
RK_DEFINE(cuDeviceGetCount)(int* count) {
  *count = 2;
  return kSuccess;
}
RK_DEFINE(cuDeviceGet)(CUdevice* device, int ordinal) {
  *device = ordinal;
  return kSuccess;
}
RK_DEFINE(cuDeviceGetName)(char* name, int size, CUdevice device) {
  std::snprintf(name, static_cast<size_t>(size), "%s",
                device == 0 ? "NVIDIA H100 80GB HBM3" : "Tesla V100");
  return kSuccess;
}
RK_DEFINE(cuDeviceGetUuid_v2)(CUuuid* uuid, CUdevice device) {
  for (char& byte : uuid->bytes) byte = static_cast<char>(device == 0 ? 0xab : 0x01);
  return kSuccess;
}
RK_DEFINE(cuDeviceTotalMem_v2)(size_t* bytes, CUdevice) {
  *bytes = size_t{80} << 30;
  return kSuccess;
}
RK_DEFINE(cuDeviceCanAccessPeer)(int* can, CUdevice device, CUdevice) {
  *can = device == 0 ? 1 : 0;
  return kSuccess;
}
RK_DEFINE(cuDeviceGetAttribute)(int* value, int attribute, CUdevice device) {
  const bool new_one = device == 0;
  switch (attribute) {
    case kAttributeComputeCapabilityMajor:
      *value = new_one ? 9 : 7;
      return kSuccess;
    case kAttributeComputeCapabilityMinor:
    case kAttributeComputeMode:
      *value = 0;
      return kSuccess;
    case kAttributeMultiprocessorCount:
      *value = new_one ? 132 : 80;
      return kSuccess;
    case kAttributeMpsEnabled:
      *value = new_one ? 1 : 0;
      return kSuccess;
    case kAttributeKernelExecTimeout:
      *value = new_one ? 0 : 1;
      return kSuccess;
    case kAttributeClusterLaunch:
      return kErrorInvalidValue;  // as of a driver that has never heard of it
    default:
      *value = 1;
      return kSuccess;
  }
}
