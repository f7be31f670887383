#include "backends/cuda/driver.hpp"

#include <dlfcn.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace ringkernel::backends::cuda {
namespace {

constexpr const char* kLibrary = "libcuda.so.1";
constexpr int kOldestMajor = 7;
constexpr int kOldestMinor = 5;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Why cuInit would not; empty: nothing better to say than CUDA itself.
std::string_view reason_not_to_start(CUresult result) {
  switch (result) {
    case kErrorStubLibrary:
      return "the library found is the toolkit's stub of CUDA's driver: install the NVIDIA driver";
    case kErrorInsufficientDriver:
      return "the NVIDIA driver is older than its CUDA library: update the driver";
    case kErrorNoDevice:
      return "the NVIDIA driver finds no GPU that CUDA may use";
    case kErrorSystemNotReady:
      return "the GPUs of this machine are not ready: see whether nvidia-fabricmanager runs";
    case kErrorSystemDriverMismatch:
      return "the NVIDIA kernel module and CUDA's library are of different versions: restart the "
             "machine, or install one version of both";
    case kErrorCompatNotSupportedOnDevice:
      return "CUDA's forward compatibility does not serve this GPU: update the NVIDIA driver";
    case kErrorUnknown:
      return "the NVIDIA driver does not start: see whether its kernel modules are loaded and "
             "/dev/nvidia* may be opened";
    default:
      return "";
  }
}

std::string uuid_text(const CUuuid& uuid, bool mig) {
  std::string text = mig ? "MIG" : "GPU";
  for (size_t i = 0; i < sizeof(uuid.bytes); ++i) {
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    std::array<char, 3> hex{};
    snprintf(hex.data(), hex.size(), "%02x", static_cast<unsigned char>(uuid.bytes[i]));
    text += hex.data();
  }
  return text;
}

}  // namespace

std::string DeviceProperties::unusable() const {
  if (major < kOldestMajor || (major == kOldestMajor && minor < kOldestMinor))
    return "its compute capability is " + std::to_string(major) + "." + std::to_string(minor) +
           ", and 7.5 is the oldest that kernels are compiled for";
  if (compute_mode == kComputeModeProhibited) return "its compute mode is 'prohibited'";
  if (!can_map_host_memory || !unified_addressing)
    return "it cannot address the host's memory, through which messages reach it";
  return "";
}

Result<const Driver*> Driver::open() {
  // Never closed: kernels may run until the process ends.
  static const Result<std::unique_ptr<const Driver>> kOpened =
      []() -> Result<std::unique_ptr<const Driver>> {
    auto driver = std::unique_ptr<Driver>(new Driver());
    if (auto loaded = driver->load(); !loaded) return tl::unexpected(loaded.error());
    if (auto started = driver->start(); !started) return tl::unexpected(started.error());
    return driver;
  }();
  if (!kOpened) return tl::unexpected(kOpened.error());
  return kOpened->get();
}

Result<void> Driver::load() {
  const std::string told = environment("RINGK_CUDA_LIBRARY");
  const std::string name = told.empty() ? kLibrary : told;
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return fail(ErrorCode::BackendUnavailable,
                "there is no NVIDIA driver: " + std::string(why == nullptr ? name : why));
  }
  const char* missing = nullptr;
#define RK_FIND(member, symbol, parameters)                                        \
  api_.member = reinterpret_cast<CUresult(*) parameters>(dlsym(library, #symbol)); \
  if (api_.member == nullptr && missing == nullptr) missing = #symbol;
  RK_CUDA_DRIVER_API(RK_FIND)
#undef RK_FIND
  if (missing != nullptr)
    return fail(ErrorCode::BackendUnavailable,
                "the NVIDIA driver is too old: " + name + " has no " + missing);
  return {};
}

Result<void> Driver::start() {
  // Each launch would wait for its kernel to end, which a resident one does not.
  if (const std::string blocking = environment("CUDA_LAUNCH_BLOCKING");
      !blocking.empty() && blocking != "0")
    return fail(ErrorCode::BackendUnavailable,
                "CUDA_LAUNCH_BLOCKING is set, and no resident kernel can run under it: unset it");
  // A kernel that is loaded at its first use waits, with the context locked, until the GPU is idle;
  // behind a resident kernel that is never. cuInit reads it.
  setenv("CUDA_MODULE_LOADING", "EAGER", 1);
  if (const CUresult result = api_.cuInit(0); result != kSuccess) {
    const std::string_view reason = reason_not_to_start(result);
    if (reason.empty())
      return fail(ErrorCode::BackendUnavailable,
                  error(result, "the NVIDIA driver does not start").message);
    return fail(ErrorCode::BackendUnavailable, std::string(reason));
  }
  if (const CUresult result = api_.cuDriverGetVersion(&version_); result != kSuccess)
    return tl::unexpected(error(result, "the NVIDIA driver does not tell its version"));
  return {};
}

Error Driver::error(CUresult result, std::string_view what) const {
  const char* name = nullptr;
  const char* sentence = nullptr;
  std::string text(what);
  if (api_.cuGetErrorName(result, &name) == kSuccess && name != nullptr)
    text += std::string(": ") + name;
  else
    text += ": CUDA error " + std::to_string(result);
  if (api_.cuGetErrorString(result, &sentence) == kSuccess && sentence != nullptr)
    text += std::string(" (") + sentence + ")";
  const ErrorCode code =
      result == kErrorOutOfMemory ? ErrorCode::OutOfMemory : ErrorCode::DeviceError;
  return {code, std::move(text), ""};
}

Result<std::vector<DeviceProperties>> Driver::devices() const {
  int count = 0;
  if (const CUresult result = api_.cuDeviceGetCount(&count); result != kSuccess)
    return tl::unexpected(error(result, "the devices cannot be counted"));
  std::vector<DeviceProperties> found;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    auto properties = device(ordinal);
    if (!properties) return tl::unexpected(properties.error());
    found.push_back(std::move(*properties));
  }
  for (DeviceProperties& one : found)
    for (const DeviceProperties& other : found) {
      int can = 0;
      if (other.ordinal != one.ordinal &&
          api_.cuDeviceCanAccessPeer(&can, one.handle, other.handle) == kSuccess && can != 0)
        one.peers.push_back(other.ordinal);
    }
  return found;
}

Result<DeviceProperties> Driver::device(int ordinal) const {
  const std::string what = "device " + std::to_string(ordinal) + " cannot be asked";
  DeviceProperties p;
  p.ordinal = ordinal;
  std::array<char, 256> name{};
  CUuuid uuid{};
  size_t memory = 0;
  CUresult result = api_.cuDeviceGet(&p.handle, ordinal);
  if (result == kSuccess)
    result = api_.cuDeviceGetName(name.data(), static_cast<int>(name.size()) - 1, p.handle);
  if (result == kSuccess) result = api_.cuDeviceGetUuid(&uuid, p.handle);
  if (result == kSuccess) result = api_.cuDeviceTotalMem(&memory, p.handle);
  if (result != kSuccess) return tl::unexpected(error(result, what));
  p.name = name.data();
  p.memory = memory;
  // A slice is a device of its own, and nothing but its name tells.
  p.mig = p.name.find(" MIG ") != std::string::npos;
  p.uuid = uuid_text(uuid, p.mig);

  // A driver that does not know an attribute has not what it stands for.
  auto number = [&](int attribute) {
    int value = 0;
    const CUresult answer = api_.cuDeviceGetAttribute(&value, attribute, p.handle);
    if (answer != kSuccess && answer != kErrorInvalidValue) result = answer;
    return answer == kSuccess ? value : 0;
  };
  p.major = number(kAttributeComputeCapabilityMajor);
  p.minor = number(kAttributeComputeCapabilityMinor);
  p.multiprocessors = number(kAttributeMultiprocessorCount);
  p.warp_size = number(kAttributeWarpSize);
  p.max_threads_per_block = number(kAttributeMaxThreadsPerBlock);
  p.max_threads_per_multiprocessor = number(kAttributeMaxThreadsPerMultiprocessor);
  p.max_blocks_per_multiprocessor = number(kAttributeMaxBlocksPerMultiprocessor);
  p.registers_per_block = number(kAttributeMaxRegistersPerBlock);
  p.registers_per_multiprocessor = number(kAttributeMaxRegistersPerMultiprocessor);
  p.shared_memory_per_block = number(kAttributeMaxSharedMemoryPerBlock);
  p.shared_memory_per_block_optin = number(kAttributeMaxSharedMemoryPerBlockOptin);
  p.shared_memory_per_multiprocessor = number(kAttributeMaxSharedMemoryPerMultiprocessor);
  p.shared_memory_reserved_per_block = number(kAttributeReservedSharedMemoryPerBlock);
  p.compute_mode = number(kAttributeComputeMode);
  p.cooperative_launch = number(kAttributeCooperativeLaunch) != 0;
  p.cluster_launch = number(kAttributeClusterLaunch) != 0;
  p.watchdog = number(kAttributeKernelExecTimeout) != 0;
  p.mps = number(kAttributeMpsEnabled) != 0;
  p.unified_addressing = number(kAttributeUnifiedAddressing) != 0;
  p.can_map_host_memory = number(kAttributeCanMapHostMemory) != 0;
  p.host_native_atomic = number(kAttributeHostNativeAtomicSupported) != 0;
  std::array<char, 32> pci{};
  snprintf(pci.data(), pci.size(), "%04x:%02x:%02x.0",
           static_cast<unsigned>(number(kAttributePciDomainId)),
           static_cast<unsigned>(number(kAttributePciBusId)),
           static_cast<unsigned>(number(kAttributePciDeviceId)));
  p.pci = pci.data();
  if (result != kSuccess) return tl::unexpected(error(result, what));
  return p;
}

}  // namespace ringkernel::backends::cuda
