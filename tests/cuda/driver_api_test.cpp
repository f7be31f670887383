// Our declarations of CUDA's driver against NVIDIA's own. It compiles or it does not.
#include "backends/cuda/driver_api.hpp"

// After ours: it makes macros of the functions' names.
#include <cuda.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace ringkernel::backends::cuda {
namespace {

// Passed alike by the ABI: numbers of one size and signedness, whatever they are called, and
// pointers to what is alike; the opaque structs by their names.
template <class Ours, class Theirs>
constexpr bool alike() {
  if constexpr (std::is_same_v<Ours, Theirs>) {
    return true;
  } else if constexpr (std::is_pointer_v<Ours> && std::is_pointer_v<Theirs>) {
    using A = std::remove_pointer_t<Ours>;
    using B = std::remove_pointer_t<Theirs>;
    return std::is_const_v<A> == std::is_const_v<B> &&
           alike<std::remove_const_t<A>, std::remove_const_t<B>>();
  } else if constexpr (std::is_class_v<Ours>) {
    return (std::is_same_v<Ours, CUuuid> && std::is_same_v<Theirs, ::CUuuid> &&
            sizeof(CUuuid) == sizeof(::CUuuid)) ||
           (std::is_same_v<Ours, CUlaunchConfig> && std::is_same_v<Theirs, ::CUlaunchConfig>) ||
           (std::is_same_v<Ours*, CUcontext> && std::is_same_v<Theirs*, ::CUcontext>) ||
           (std::is_same_v<Ours*, CUmodule> && std::is_same_v<Theirs*, ::CUmodule>) ||
           (std::is_same_v<Ours*, CUfunction> && std::is_same_v<Theirs*, ::CUfunction>) ||
           (std::is_same_v<Ours*, CUstream> && std::is_same_v<Theirs*, ::CUstream>) ||
           (std::is_same_v<Ours*, CUevent> && std::is_same_v<Theirs*, ::CUevent>) ||
           (std::is_same_v<Ours*, CUgraph> && std::is_same_v<Theirs*, ::CUgraph>) ||
           (std::is_same_v<Ours*, CUgraphExec> && std::is_same_v<Theirs*, ::CUgraphExec>);
  } else {
    // The library's enums are passed as int: their values are all positive.
    return (std::is_integral_v<Ours> && std::is_enum_v<Theirs> && sizeof(Ours) == sizeof(Theirs)) ||
           (std::is_integral_v<Ours> && std::is_integral_v<Theirs> &&
            sizeof(Ours) == sizeof(Theirs) && std::is_signed_v<Ours> == std::is_signed_v<Theirs>);
  }
}

template <class Ours, class Theirs>
struct Signatures {
  static constexpr bool kAlike = false;
};
template <class R, class... P, class S, class... Q>
requires(sizeof...(P) == sizeof...(Q)) struct Signatures<R (*)(P...), S (*)(Q...)> {
  static constexpr bool kAlike = alike<R, S>() && (alike<P, Q>() && ...);
};

#define RK_TEXT(tokens) #tokens
#define RK_EXPANDED(tokens) RK_TEXT(tokens)
#define RK_CHECK(member, symbol, parameters)                                     \
  static_assert(std::string_view(RK_EXPANDED(member)) == #symbol,                \
                #symbol ": the header calls another function by this name");     \
  static_assert(Signatures<CUresult(*) parameters, decltype(&::symbol)>::kAlike, \
                #symbol ": has another signature");
RK_CUDA_DRIVER_API(RK_CHECK)
RK_CUDA_GRAPH_API(RK_CHECK)
#undef RK_CHECK

static_assert(alike<CUdeviceptr, ::CUdeviceptr>() && alike<CUdevice, ::CUdevice>());

// Structs that are passed by address: every member at its place.
#define RK_SAME_PLACE(type, member, theirs)                           \
  static_assert(offsetof(type, member) == offsetof(::type, theirs) && \
                sizeof(type::member) == sizeof(::type::theirs))
static_assert(sizeof(CUlaunchConfig) == sizeof(::CUlaunchConfig));
RK_SAME_PLACE(CUlaunchConfig, grid_x, gridDimX);
RK_SAME_PLACE(CUlaunchConfig, grid_y, gridDimY);
RK_SAME_PLACE(CUlaunchConfig, grid_z, gridDimZ);
RK_SAME_PLACE(CUlaunchConfig, block_x, blockDimX);
RK_SAME_PLACE(CUlaunchConfig, block_y, blockDimY);
RK_SAME_PLACE(CUlaunchConfig, block_z, blockDimZ);
RK_SAME_PLACE(CUlaunchConfig, shared_memory, sharedMemBytes);
RK_SAME_PLACE(CUlaunchConfig, stream, hStream);
RK_SAME_PLACE(CUlaunchConfig, attributes, attrs);
RK_SAME_PLACE(CUlaunchConfig, attribute_count, numAttrs);
static_assert(sizeof(CUlaunchAttribute) == sizeof(::CUlaunchAttribute));
RK_SAME_PLACE(CUlaunchAttribute, id, id);
RK_SAME_PLACE(CUlaunchAttribute, value, value);
RK_SAME_PLACE(CUlaunchAttribute, value.cluster.x, value.clusterDim.x);
RK_SAME_PLACE(CUlaunchAttribute, value.cluster.y, value.clusterDim.y);
RK_SAME_PLACE(CUlaunchAttribute, value.cluster.z, value.clusterDim.z);
static_assert(kLaunchCluster == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);

static_assert(kSuccess == CUDA_SUCCESS);
static_assert(kErrorInvalidValue == CUDA_ERROR_INVALID_VALUE);
static_assert(kErrorOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(kErrorStubLibrary == CUDA_ERROR_STUB_LIBRARY);
static_assert(kErrorNoDevice == CUDA_ERROR_NO_DEVICE);
static_assert(kErrorInvalidDevice == CUDA_ERROR_INVALID_DEVICE);
static_assert(kErrorInvalidContext == CUDA_ERROR_INVALID_CONTEXT);
static_assert(kErrorNoBinaryForGpu == CUDA_ERROR_NO_BINARY_FOR_GPU);
static_assert(kErrorInvalidHandle == CUDA_ERROR_INVALID_HANDLE);
static_assert(kErrorNotFound == CUDA_ERROR_NOT_FOUND);
static_assert(kErrorNotReady == CUDA_ERROR_NOT_READY);
static_assert(kErrorIllegalAddress == CUDA_ERROR_ILLEGAL_ADDRESS);
static_assert(kErrorLaunchOutOfResources == CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
static_assert(kErrorCooperativeLaunchTooLarge == CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
static_assert(kErrorNotSupported == CUDA_ERROR_NOT_SUPPORTED);
static_assert(kErrorSystemNotReady == CUDA_ERROR_SYSTEM_NOT_READY);
static_assert(kErrorSystemDriverMismatch == CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
static_assert(kErrorCompatNotSupportedOnDevice == CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE);
static_assert(kErrorUnknown == CUDA_ERROR_UNKNOWN);
static_assert(kAttributeMaxThreadsPerBlock == CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
static_assert(kAttributeMaxSharedMemoryPerBlock == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
static_assert(kAttributeWarpSize == CU_DEVICE_ATTRIBUTE_WARP_SIZE);
static_assert(kAttributeMaxRegistersPerBlock == CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
static_assert(kAttributeMultiprocessorCount == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
static_assert(kAttributeKernelExecTimeout == CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT);
static_assert(kAttributeCanMapHostMemory == CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY);
static_assert(kAttributeComputeMode == CU_DEVICE_ATTRIBUTE_COMPUTE_MODE);
static_assert(kAttributePciBusId == CU_DEVICE_ATTRIBUTE_PCI_BUS_ID);
static_assert(kAttributePciDeviceId == CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID);
static_assert(kAttributeMaxThreadsPerMultiprocessor ==
              CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
static_assert(kAttributeUnifiedAddressing == CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING);
static_assert(kAttributePciDomainId == CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID);
static_assert(kAttributeComputeCapabilityMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(kAttributeComputeCapabilityMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(kAttributeMaxSharedMemoryPerMultiprocessor ==
              CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
static_assert(kAttributeMaxRegistersPerMultiprocessor ==
              CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR);
static_assert(kAttributeHostNativeAtomicSupported ==
              CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED);
static_assert(kAttributeCooperativeLaunch == CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH);
static_assert(kAttributeMaxSharedMemoryPerBlockOptin ==
              CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(kAttributeMaxBlocksPerMultiprocessor ==
              CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR);
static_assert(kAttributeReservedSharedMemoryPerBlock ==
              CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK);
static_assert(kAttributeClusterLaunch == CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH);
static_assert(kAttributeMpsEnabled == CU_DEVICE_ATTRIBUTE_MPS_ENABLED);
static_assert(kFunctionMaxThreadsPerBlock == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
static_assert(kFunctionSharedSizeBytes == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
static_assert(kFunctionConstSizeBytes == CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES);
static_assert(kFunctionLocalSizeBytes == CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
static_assert(kFunctionNumRegs == CU_FUNC_ATTRIBUTE_NUM_REGS);
static_assert(kFunctionMaxDynamicSharedSizeBytes ==
              CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(kFunctionNonPortableClusterSizeAllowed ==
              CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);
static_assert(kComputeModeDefault == CU_COMPUTEMODE_DEFAULT);
static_assert(kComputeModeProhibited == CU_COMPUTEMODE_PROHIBITED);
static_assert(kComputeModeExclusiveProcess == CU_COMPUTEMODE_EXCLUSIVE_PROCESS);
static_assert(kModuleEagerLoading == CU_MODULE_EAGER_LOADING);
static_assert(kModuleLazyLoading == CU_MODULE_LAZY_LOADING);
static_assert(kJitErrorLogBuffer == CU_JIT_ERROR_LOG_BUFFER);
static_assert(kJitErrorLogBufferSizeBytes == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
static_assert(kCaptureThreadLocal == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
static_assert(kMemHostAllocPortable == CU_MEMHOSTALLOC_PORTABLE);
static_assert(kMemHostAllocDeviceMap == CU_MEMHOSTALLOC_DEVICEMAP);
static_assert(kMemHostAllocWriteCombined == CU_MEMHOSTALLOC_WRITECOMBINED);
static_assert(kStreamNonBlocking == CU_STREAM_NON_BLOCKING);
static_assert(kEventDisableTiming == CU_EVENT_DISABLE_TIMING);

}  // namespace
}  // namespace ringkernel::backends::cuda

int main() { return 0; }
