// The part of CUDA's driver interface that is used, declared by ourselves: the library is opened at
// run time, so that one binary serves machines with and without it. Where <cuda.h> is at hand a
// test (tests/cuda/driver_api_test.cpp) holds every type, constant and signature against it.
#pragma once

#include <cstddef>

namespace ringkernel::backends::cuda {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct ContextOfDriver*;
using CUmodule = struct ModuleOfDriver*;
using CUfunction = struct FunctionOfDriver*;
using CUstream = struct StreamOfDriver*;
using CUevent = struct EventOfDriver*;
using CUgraph = struct GraphOfDriver*;
using CUgraphExec = struct GraphExecOfDriver*;
struct CUuuid {
  char bytes[16];
};
struct CUlaunchAttribute {
  int id;  // kLaunchCluster
  int padding;
  union {
    char bytes[64];
    struct {
      unsigned x, y, z;
    } cluster;  // blocks
  } value;
};
struct CUlaunchConfig {
  unsigned grid_x, grid_y, grid_z;
  unsigned block_x, block_y, block_z;
  unsigned shared_memory;
  CUstream stream;
  CUlaunchAttribute* attributes;
  unsigned attribute_count;
};

// CUresult
constexpr int kSuccess = 0;
constexpr int kErrorInvalidValue = 1;
constexpr int kErrorOutOfMemory = 2;
constexpr int kErrorStubLibrary = 34;
constexpr int kErrorInsufficientDriver = 35;  // of the runtime's numbers; some stubs answer it
constexpr int kErrorNoDevice = 100;
constexpr int kErrorInvalidDevice = 101;
constexpr int kErrorInvalidContext = 201;
constexpr int kErrorNoBinaryForGpu = 209;
constexpr int kErrorInvalidHandle = 400;
constexpr int kErrorNotFound = 500;
constexpr int kErrorNotReady = 600;
constexpr int kErrorIllegalAddress = 700;
constexpr int kErrorLaunchOutOfResources = 701;
constexpr int kErrorCooperativeLaunchTooLarge = 720;
constexpr int kErrorNotSupported = 801;
constexpr int kErrorSystemNotReady = 802;
constexpr int kErrorSystemDriverMismatch = 803;
constexpr int kErrorCompatNotSupportedOnDevice = 804;
constexpr int kErrorUnknown = 999;

// CUdevice_attribute
constexpr int kAttributeMaxThreadsPerBlock = 1;
constexpr int kAttributeMaxSharedMemoryPerBlock = 8;
constexpr int kAttributeWarpSize = 10;
constexpr int kAttributeMaxRegistersPerBlock = 12;
constexpr int kAttributeMultiprocessorCount = 16;
constexpr int kAttributeKernelExecTimeout = 17;
constexpr int kAttributeCanMapHostMemory = 19;
constexpr int kAttributeComputeMode = 20;
constexpr int kAttributePciBusId = 33;
constexpr int kAttributePciDeviceId = 34;
constexpr int kAttributeMaxThreadsPerMultiprocessor = 39;
constexpr int kAttributeUnifiedAddressing = 41;
constexpr int kAttributePciDomainId = 50;
constexpr int kAttributeComputeCapabilityMajor = 75;
constexpr int kAttributeComputeCapabilityMinor = 76;
constexpr int kAttributeMaxSharedMemoryPerMultiprocessor = 81;
constexpr int kAttributeMaxRegistersPerMultiprocessor = 82;
constexpr int kAttributeHostNativeAtomicSupported = 86;
constexpr int kAttributeCooperativeLaunch = 95;
constexpr int kAttributeMaxSharedMemoryPerBlockOptin = 97;
constexpr int kAttributeMaxBlocksPerMultiprocessor = 106;
constexpr int kAttributeReservedSharedMemoryPerBlock = 111;
constexpr int kAttributeClusterLaunch = 120;
constexpr int kAttributeMpsEnabled = 133;

// CUfunction_attribute
constexpr int kFunctionMaxThreadsPerBlock = 0;
constexpr int kFunctionSharedSizeBytes = 1;
constexpr int kFunctionConstSizeBytes = 2;
constexpr int kFunctionLocalSizeBytes = 3;
constexpr int kFunctionNumRegs = 4;
constexpr int kFunctionMaxDynamicSharedSizeBytes = 8;
constexpr int kFunctionNonPortableClusterSizeAllowed = 14;

// CUlaunchAttributeID
constexpr int kLaunchCluster = 4;

// CUcomputemode
constexpr int kComputeModeDefault = 0;
constexpr int kComputeModeProhibited = 2;
constexpr int kComputeModeExclusiveProcess = 3;

// CUmoduleLoadingMode
constexpr int kModuleEagerLoading = 1;
constexpr int kModuleLazyLoading = 2;

// CUjit_option
constexpr int kJitErrorLogBuffer = 5;
constexpr int kJitErrorLogBufferSizeBytes = 6;

// CUstreamCaptureMode
constexpr int kCaptureThreadLocal = 1;

// Flags of cuMemHostAlloc, cuStreamCreateWithPriority, cuEventCreate
constexpr unsigned kMemHostAllocPortable = 1;
constexpr unsigned kMemHostAllocDeviceMap = 2;
constexpr unsigned kMemHostAllocWriteCombined = 4;
constexpr unsigned kStreamNonBlocking = 1;
constexpr unsigned kEventDisableTiming = 2;

// X(member of DriverApi, symbol that the library exports, parameters); each returns a CUresult.
// The symbol is the one that <cuda.h> gives the name: of the driver's current ABI.
#define RK_CUDA_DRIVER_API(X)                                                                   \
  X(cuInit, cuInit, (unsigned flags))                                                           \
  X(cuDriverGetVersion, cuDriverGetVersion, (int* version))                                     \
  X(cuGetErrorName, cuGetErrorName, (CUresult error, const char** text))                        \
  X(cuGetErrorString, cuGetErrorString, (CUresult error, const char** text))                    \
  X(cuDeviceGetCount, cuDeviceGetCount, (int* count))                                           \
  X(cuDeviceGet, cuDeviceGet, (CUdevice * device, int ordinal))                                 \
  X(cuDeviceGetName, cuDeviceGetName, (char* name, int size, CUdevice device))                  \
  X(cuDeviceGetUuid, cuDeviceGetUuid_v2, (CUuuid * uuid, CUdevice device))                      \
  X(cuDeviceTotalMem, cuDeviceTotalMem_v2, (size_t * bytes, CUdevice device))                   \
  X(cuDeviceGetAttribute, cuDeviceGetAttribute, (int* value, int attribute, CUdevice device))   \
  X(cuDeviceCanAccessPeer, cuDeviceCanAccessPeer, (int* can, CUdevice device, CUdevice peer))   \
  X(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device)) \
  X(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (CUdevice device))                 \
  X(cuCtxSetCurrent, cuCtxSetCurrent, (CUcontext context))                                      \
  X(cuMemAlloc, cuMemAlloc_v2, (CUdeviceptr * pointer, size_t bytes))                           \
  X(cuMemFree, cuMemFree_v2, (CUdeviceptr pointer))                                             \
  X(cuMemGetInfo, cuMemGetInfo_v2, (size_t * free, size_t * total))                             \
  X(cuMemHostAlloc, cuMemHostAlloc, (void** pointer, size_t bytes, unsigned flags))             \
  X(cuMemFreeHost, cuMemFreeHost, (void* pointer))                                              \
  X(cuMemHostGetDevicePointer, cuMemHostGetDevicePointer_v2,                                    \
    (CUdeviceptr * pointer, void* host, unsigned flags))                                        \
  X(cuMemcpyHtoD, cuMemcpyHtoD_v2, (CUdeviceptr to, const void* from, size_t bytes))            \
  X(cuMemcpyDtoH, cuMemcpyDtoH_v2, (void* to, CUdeviceptr from, size_t bytes))                  \
  X(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2,                                                    \
    (CUdeviceptr to, const void* from, size_t bytes, CUstream stream))                          \
  X(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2,                                                    \
    (void* to, CUdeviceptr from, size_t bytes, CUstream stream))                                \
  X(cuMemsetD8, cuMemsetD8_v2, (CUdeviceptr to, unsigned char value, size_t bytes))             \
  X(cuMemsetD8Async, cuMemsetD8Async,                                                           \
    (CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream))                       \
  X(cuStreamCreateWithPriority, cuStreamCreateWithPriority,                                     \
    (CUstream * stream, unsigned flags, int priority))                                          \
  X(cuStreamQuery, cuStreamQuery, (CUstream stream))                                            \
  X(cuStreamSynchronize, cuStreamSynchronize, (CUstream stream))                                \
  X(cuStreamDestroy, cuStreamDestroy_v2, (CUstream stream))                                     \
  X(cuEventCreate, cuEventCreate, (CUevent * event, unsigned flags))                            \
  X(cuEventRecord, cuEventRecord, (CUevent event, CUstream stream))                             \
  X(cuEventQuery, cuEventQuery, (CUevent event))                                                \
  X(cuEventDestroy, cuEventDestroy_v2, (CUevent event))                                         \
  X(cuModuleLoadDataEx, cuModuleLoadDataEx,                                                     \
    (CUmodule * module, const void* image, unsigned count, int* options, void** values))        \
  X(cuModuleUnload, cuModuleUnload, (CUmodule module))                                          \
  X(cuModuleGetFunction, cuModuleGetFunction,                                                   \
    (CUfunction * function, CUmodule module, const char* name))                                 \
  X(cuModuleGetGlobal, cuModuleGetGlobal_v2,                                                    \
    (CUdeviceptr * pointer, size_t * bytes, CUmodule module, const char* name))                 \
  X(cuModuleGetLoadingMode, cuModuleGetLoadingMode, (int* mode))                                \
  X(cuFuncGetAttribute, cuFuncGetAttribute, (int* value, int attribute, CUfunction function))   \
  X(cuFuncSetAttribute, cuFuncSetAttribute, (CUfunction function, int attribute, int value))    \
  X(cuFuncLoad, cuFuncLoad, (CUfunction function))                                              \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor, cuOccupancyMaxActiveBlocksPerMultiprocessor,   \
    (int* blocks, CUfunction function, int threads, size_t shared_memory))                      \
  X(cuOccupancyMaxActiveClusters, cuOccupancyMaxActiveClusters,                                 \
    (int* clusters, CUfunction function, const CUlaunchConfig* config))                         \
  X(cuLaunchKernelEx, cuLaunchKernelEx,                                                         \
    (const CUlaunchConfig* config, CUfunction function, void** arguments, void** extra))        \
  X(cuLaunchKernel, cuLaunchKernel,                                                             \
    (CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,  \
     unsigned block_y, unsigned block_z, unsigned shared_memory, CUstream stream,               \
     void** arguments, void** extra))                                                           \
  X(cuLaunchCooperativeKernel, cuLaunchCooperativeKernel,                                       \
    (CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,  \
     unsigned block_y, unsigned block_z, unsigned shared_memory, CUstream stream,               \
     void** arguments))

// The library's functions by the names under which CUDA documents them.
struct DriverApi {
#define RK_MEMBER(member, symbol, parameters) CUresult(*member) parameters = nullptr;
  RK_CUDA_DRIVER_API(RK_MEMBER)
};

// Graphs: what is measured beside resident kernels. Not of the library's own, which does without.
#define RK_CUDA_GRAPH_API(X)                                                    \
  X(cuStreamBeginCapture, cuStreamBeginCapture_v2, (CUstream stream, int mode)) \
  X(cuStreamEndCapture, cuStreamEndCapture, (CUstream stream, CUgraph * graph)) \
  X(cuGraphInstantiate, cuGraphInstantiateWithFlags,                            \
    (CUgraphExec * executable, CUgraph graph, unsigned long long flags))        \
  X(cuGraphLaunch, cuGraphLaunch, (CUgraphExec executable, CUstream stream))    \
  X(cuGraphExecDestroy, cuGraphExecDestroy, (CUgraphExec executable))           \
  X(cuGraphDestroy, cuGraphDestroy, (CUgraph graph))

struct GraphApi {
  RK_CUDA_GRAPH_API(RK_MEMBER)
};
#undef RK_MEMBER

}  // namespace ringkernel::backends::cuda
