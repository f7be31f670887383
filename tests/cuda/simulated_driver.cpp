// A test double of CUDA's driver: the functions that the backend opens, with every thread of a
// device a thread of this process, running the same resident loop compiled for the host. It breaks
// on demand the ways a GPU does: see simulated_driver.hpp.
//
// RK_SIMULATED_THREADS: threads that a block really has, at most (2).
// RK_SIMULATED_WITHOUT_CLUSTERS: set, the GPU is one of compute capability 8.0.
// RK_SIMULATED_WITHOUT_COOPERATION: set, blocks cannot be launched as one grid.
// RK_SIMULATED_SHARED_WITH: "display", whose watchdog ends long kernels; "mps", other processes.
// RK_SIMULATED_DIES_WITH: a file; once it is there, the GPU is as after an illegal address.
// RK_SIMULATED_UNUSABLE: "mode", no process may use the GPU; "memory", it does not reach the
// host's.
#include "cuda/simulated_driver.hpp"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "backends/cuda/driver_api.hpp"
#include "cuda/simulated_image.hpp"
#include "ringkernel/device/device_thread.hpp"

using namespace ringkernel;
using namespace ringkernel::backends::cuda;

namespace {

constexpr int kMultiprocessors = 8;
constexpr int kSharedBytes = 228 << 10;
constexpr size_t kDeviceBytes = size_t{8} << 30;

struct Death {};  // thrown in a device thread when its device dies

constexpr int kErrorNotInitialized = 3;
std::atomic<pid_t> initialized_by{0};
std::atomic<int> death{kSuccess};
// A device that has died stays dead for what ran on it, though it is mended for what comes.
std::atomic<uint32_t> deaths{0};
// In the memory that threads start with: of what a library that is loaded later asks for at the
// first touch, ThreadSanitizer takes the bytes before it for a header where its address ends in
// 0x010.
__attribute__((tls_model("initial-exec"))) thread_local uint32_t deaths_at_launch = 0;
bool device_has_died() { return deaths.load() != deaths_at_launch; }

std::atomic<int> fault{static_cast<int>(SimulatedFault::None)};

bool has_fault(SimulatedFault one) { return fault.load() == static_cast<int>(one); }

std::mutex failing_mutex;
std::string failing = [] {
  const char* told = std::getenv("RK_SIMULATED_FAILS");
  return std::string(told == nullptr ? "" : told);
}();
bool is_to_fail(const char* function) {
  std::lock_guard lock(failing_mutex);
  return failing == function;
}
#define MAY_FAIL                                    \
  do {                                              \
    if (is_to_fail(__func__)) return kErrorUnknown; \
  } while (false)

bool is_unusable(const std::string& why) {
  const char* told = std::getenv("RK_SIMULATED_UNUSABLE");
  return told != nullptr && told == why;
}

bool is_shared_with(const char* whom) {
  const char* told = std::getenv("RK_SIMULATED_SHARED_WITH");
  return told != nullptr && std::string_view(told) == whom;
}
bool has_clusters() { return std::getenv("RK_SIMULATED_WITHOUT_CLUSTERS") == nullptr; }

uint32_t threads_of_a_block() {
  const char* text = std::getenv("RK_SIMULATED_THREADS");
  const int n = text == nullptr ? 2 : std::atoi(text);
  return n > 0 ? static_cast<uint32_t>(n) : 1;
}

void die_with_the_device() {
  if (device_has_died()) throw Death{};
}

// Where a block's threads meet; wakes them when the device dies.
class Barrier {
 public:
  explicit Barrier(uint32_t size) : size_(size) {}
  void wait() {
    die_with_the_device();
    if (size_ == 1) return;
    std::unique_lock lock(mutex_);
    const uint64_t generation = generation_;
    if (++arrived_ == size_) {
      arrived_ = 0;
      ++generation_;
      changed_.notify_all();
      return;
    }
    while (generation_ == generation) {
      changed_.wait_for(lock, std::chrono::milliseconds(20));
      if (device_has_died()) throw Death{};
    }
  }

 private:
  const uint32_t size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t arrived_ = 0;
  uint64_t generation_ = 0;
};

void sync(void* block) {
  if (fault.load() == static_cast<int>(SimulatedFault::Slow))
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  static_cast<Barrier*>(block)->wait();
}
// Far from the host's clock, as a GPU's is.
uint64_t now_ns() {
  static std::atomic<uint64_t> hours{0};
  if (has_fault(SimulatedFault::ClockRuns)) hours.fetch_add(1);
  return 5'000'000'000ULL + hours.load() * 3'600'000'000'000ULL +
         static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}
void pause_for(uint32_t ns) {
  die_with_the_device();
  std::this_thread::sleep_for(std::chrono::nanoseconds(ns > 500 ? 100'000 : 1000));
}
// Blocks that are launched together, and where the shared memory of each lies.
struct Cluster {
  Barrier barrier;
  std::vector<void*> shared;
};
std::atomic<uint64_t> launches{0};
std::atomic<uint64_t> ends{0};
std::atomic<const void*> last_argument{nullptr};
std::atomic<uint64_t> looks_at_peers{0};
void sync_cluster(void* cluster) { static_cast<Cluster*>(cluster)->barrier.wait(); }
void* shared_of(void* cluster, uint32_t rank) {
  looks_at_peers.fetch_add(1);
  return static_cast<Cluster*>(cluster)->shared.at(rank);
}
constexpr DeviceThread::Simulation kSimulation = {sync, now_ns, pause_for, sync_cluster, shared_of};

using Entry = void (*)(void* frames, const DeviceThread* thread);

struct Allocation {
  size_t bytes;
};
// What is never freed stays reachable from here, so that a leak of the library shows.
std::mutex memory_mutex;
auto& memory_of_device = *new std::map<void*, Allocation>;
auto& memory_of_host = *new std::set<void*>;
size_t memory_used = 0;

// Bytes that nobody has written are no zeroes.
void* take(size_t bytes) {
  void* memory = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  if (memory != nullptr) std::memset(memory, 0xA5, bytes);
  return memory;
}

std::string error_text;

}  // namespace

struct ringkernel::backends::cuda::ModuleOfDriver {
  void* library = nullptr;
};
// A kernel takes a pointer, or a struct by value whose size its module tells.
struct ringkernel::backends::cuda::FunctionOfDriver {
  Entry entry = nullptr;
  size_t argument_bytes = 0;  // 0: a pointer
};

namespace {

struct Launch {
  Entry entry;
  void* frames;
  std::vector<char> argument;  // in place of frames
  uint32_t grid;
  uint32_t threads;
  size_t shared;
  uint32_t cluster;  // blocks of each
  uint32_t deaths;   // of the device until then
};

}  // namespace

// Launches that were captured, to be replayed one after the other.
struct ringkernel::backends::cuda::GraphOfDriver {
  std::vector<Launch> launches;
};
struct ringkernel::backends::cuda::GraphExecOfDriver {
  std::vector<Launch> launches;
};

// A stream: launches one after the other, each a set of threads.
struct ringkernel::backends::cuda::StreamOfDriver {
  std::mutex mutex;
  uint32_t unfinished = 0;
  std::thread last;
  std::unique_ptr<GraphOfDriver> capture;  // not null: launches go there

  ~StreamOfDriver() {
    if (last.joinable()) last.join();
  }
};

namespace {

std::mutex streams_mutex;
auto& streams = *new std::set<CUstream>;
std::mutex modules_mutex;
auto& modules = *new std::deque<ModuleOfDriver>;
auto& functions = *new std::deque<FunctionOfDriver>;

// What is on the device still ends with the process.
struct Rest {
  ~Rest() {
    deaths.fetch_add(1);
    for (CUstream stream : streams)
      if (stream->last.joinable()) stream->last.join();
  }
} rest;

void run(const Launch& launch) {
  deaths_at_launch = launch.deaths;
  if (fault.load() == static_cast<int>(SimulatedFault::NeverStarts)) {
    while (fault.load() == static_cast<int>(SimulatedFault::NeverStarts) && !device_has_died())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return;
  }
  std::vector<std::unique_ptr<Barrier>> barriers;
  std::vector<std::unique_ptr<Cluster>> clusters;
  std::vector<std::thread> threads;
  for (uint32_t block = 0; block < launch.grid; ++block) {
    if (block % launch.cluster == 0) {
      auto& cluster =
          clusters.emplace_back(new Cluster{Barrier(launch.cluster * launch.threads), {}});
      for (uint32_t i = 0; i < launch.cluster; ++i) cluster->shared.push_back(take(launch.shared));
    }
    barriers.push_back(std::make_unique<Barrier>(launch.threads));
    for (uint32_t rank = 0; rank < launch.threads; ++rank)
      threads.emplace_back(
          [&launch, block, rank, barrier = barriers.back().get(), cluster = clusters.back().get()] {
            deaths_at_launch = launch.deaths;
            DeviceThread thread{};
            thread.simulation = &kSimulation;
            thread.simulated_block = barrier;
            thread.simulated_cluster = cluster;
            thread.shared_memory = cluster->shared[block % launch.cluster];
            thread.rank_ = rank;
            thread.size_ = launch.threads;
            thread.block_ = block;
            thread.blocks_ = launch.grid;
            try {
              void* argument = launch.argument.empty() ? launch.frames
                                                       : const_cast<char*>(launch.argument.data());
              launch.entry(argument, &thread);
            } catch (const Death&) {
            }
          });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& cluster : clusters)
    for (void* memory : cluster->shared) std::free(memory);
}

CUresult enqueue(CUstream stream, Launch launch) {
  launch.deaths = deaths.load();
  last_argument.store(launch.frames);
  launches.fetch_add(1);
  std::lock_guard lock(stream->mutex);
  ++stream->unfinished;
  stream->last =
      std::thread([stream, launch = std::move(launch), before = std::move(stream->last)]() mutable {
        if (before.joinable()) before.join();
        run(launch);
        std::lock_guard done(stream->mutex);
        --stream->unfinished;
        ends.fetch_add(1);
      });
  return kSuccess;
}

CUresult launch(CUfunction function, unsigned grid, unsigned block, unsigned shared,
                CUstream stream, void** arguments, unsigned cluster = 1) {
  if (death.load() != kSuccess) return death.load();
  if (fault.load() == static_cast<int>(SimulatedFault::LaunchFails))
    return kErrorLaunchOutOfResources;
  const auto* argument = static_cast<const char*>(arguments[0]);
  Launch launch{function->entry,
                nullptr,
                {argument, argument + function->argument_bytes},
                grid,
                std::min(block, threads_of_a_block()),
                shared,
                cluster,
                0};
  if (function->argument_bytes == 0) launch.frames = *static_cast<void**>(arguments[0]);
  if (stream->capture == nullptr) return enqueue(stream, std::move(launch));
  stream->capture->launches.push_back(std::move(launch));
  return kSuccess;
}

}  // namespace

extern "C" {
#define SIMULATED __attribute__((visibility("default")))

SIMULATED unsigned long rk_simulated_launches() { return launches.load(); }
SIMULATED unsigned long rk_simulated_ends() { return ends.load(); }
SIMULATED const void* rk_simulated_argument() { return last_argument.load(); }
SIMULATED unsigned long rk_simulated_looks_at_peers() { return looks_at_peers.load(); }

SIMULATED void rk_simulate(SimulatedFault wanted) {
  fault.store(static_cast<int>(wanted));
  if (wanted == SimulatedFault::IllegalAddress) {
    death.store(kErrorIllegalAddress);
    deaths.fetch_add(1);
  } else if (wanted == SimulatedFault::None) {
    death.store(kSuccess);
  }
}

SIMULATED void rk_simulate_failure(const char* function) {
  std::lock_guard lock(failing_mutex);
  failing = function == nullptr ? "" : function;
}

SIMULATED CUresult cuInit(unsigned) {
  initialized_by = getpid();
  const char* told = std::getenv("RK_SIMULATED_INIT");
  return told == nullptr ? kSuccess : std::atoi(told);
}
SIMULATED CUresult cuDriverGetVersion(int* version) {
  MAY_FAIL;
  *version = 13000;
  return kSuccess;
}
SIMULATED CUresult cuGetErrorName(CUresult error, const char** text) {
  MAY_FAIL;
  switch (error) {
    case kErrorIllegalAddress:
      *text = "CUDA_ERROR_ILLEGAL_ADDRESS";
      break;
    case kErrorNotInitialized:
      *text = "CUDA_ERROR_NOT_INITIALIZED";
      break;
    case kErrorOutOfMemory:
      *text = "CUDA_ERROR_OUT_OF_MEMORY";
      break;
    case kErrorLaunchOutOfResources:
      *text = "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES";
      break;
    default:
      *text = "CUDA_ERROR_UNKNOWN";
  }
  return kSuccess;
}
SIMULATED CUresult cuGetErrorString(CUresult, const char** text) {
  *text = "as the test wished";
  return kSuccess;
}
SIMULATED CUresult cuDeviceGetCount(int* count) {
  MAY_FAIL;
  const char* told = std::getenv("RK_SIMULATED_DEVICES");
  *count = told == nullptr ? 1 : std::atoi(told);
  return kSuccess;
}
SIMULATED CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  *device = ordinal;
  return kSuccess;
}
SIMULATED CUresult cuDeviceGetName(char* name, int size, CUdevice) {
  std::strncpy(name, "Simulated GPU", static_cast<size_t>(size));
  return kSuccess;
}
SIMULATED CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  std::memset(uuid->bytes, 0x51, sizeof uuid->bytes);
  uuid->bytes[15] = static_cast<char>(device);
  return kSuccess;
}
SIMULATED CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
  *bytes = kDeviceBytes;
  return kSuccess;
}
SIMULATED CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice) {
  switch (attribute) {
    case kAttributeMaxThreadsPerBlock:
      *value = 1024;
      break;
    case kAttributeWarpSize:
      *value = 32;
      break;
    case kAttributeMultiprocessorCount:
      *value = kMultiprocessors;
      break;
    case kAttributeMaxThreadsPerMultiprocessor:
      *value = 2048;
      break;
    case kAttributeMaxBlocksPerMultiprocessor:
      *value = 32;
      break;
    case kAttributeMaxRegistersPerBlock:
    case kAttributeMaxRegistersPerMultiprocessor:
      *value = 65536;
      break;
    case kAttributeMaxSharedMemoryPerBlock:
      *value = 48 << 10;
      break;
    case kAttributeMaxSharedMemoryPerBlockOptin:
    case kAttributeMaxSharedMemoryPerMultiprocessor:
      *value = kSharedBytes;
      break;
    case kAttributeComputeMode:
      *value = is_unusable("mode") ? kComputeModeProhibited : 0;
      break;
    case kAttributeCanMapHostMemory:
      *value = is_unusable("memory") ? 0 : 1;
      break;
    case kAttributeKernelExecTimeout:
      *value = is_shared_with("display") ? 1 : 0;
      break;
    case kAttributeMpsEnabled:
      *value = is_shared_with("mps") ? 1 : 0;
      break;
    case kAttributeCooperativeLaunch:
      *value = std::getenv("RK_SIMULATED_WITHOUT_COOPERATION") == nullptr ? 1 : 0;
      break;
    case kAttributeUnifiedAddressing:
      *value = 1;
      break;
    case kAttributeComputeCapabilityMajor:
      *value = has_clusters() ? 9 : 8;
      break;
    case kAttributeClusterLaunch:
      *value = has_clusters() ? 1 : 0;
      break;
    default:
      *value = 0;
  }
  return kSuccess;
}
SIMULATED CUresult cuDeviceCanAccessPeer(int* can, CUdevice, CUdevice) {
  *can = 0;
  return kSuccess;
}
SIMULATED CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  MAY_FAIL;
  // CUDA does not work in a process that was forked by one that had opened it.
  if (initialized_by != getpid()) return kErrorNotInitialized;
  *context = reinterpret_cast<CUcontext>(static_cast<uintptr_t>(device) + 1);
  return kSuccess;
}
SIMULATED CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return kSuccess; }
SIMULATED CUresult cuCtxSetCurrent(CUcontext) {
  MAY_FAIL;
  return kSuccess;
}

SIMULATED CUresult cuMemAlloc_v2(CUdeviceptr* pointer, size_t bytes) {
  std::lock_guard lock(memory_mutex);
  if (fault.load() == static_cast<int>(SimulatedFault::OutOfMemory) ||
      memory_used + bytes > kDeviceBytes)
    return kErrorOutOfMemory;
  void* memory = take(bytes);
  if (memory == nullptr) return kErrorOutOfMemory;
  memory_of_device[memory] = {bytes};
  memory_used += bytes;
  *pointer = reinterpret_cast<CUdeviceptr>(memory);
  return kSuccess;
}
SIMULATED CUresult cuMemFree_v2(CUdeviceptr pointer) {
  std::lock_guard lock(memory_mutex);
  void* memory = reinterpret_cast<void*>(pointer);
  const auto found = memory_of_device.find(memory);
  if (found == memory_of_device.end()) return kErrorInvalidValue;
  memory_used -= found->second.bytes;
  memory_of_device.erase(found);
  std::free(memory);
  return kSuccess;
}
SIMULATED CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  std::lock_guard lock(memory_mutex);
  *free = kDeviceBytes - memory_used;
  *total = kDeviceBytes;
  return kSuccess;
}
SIMULATED CUresult cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
  MAY_FAIL;
  *pointer = take(bytes);
  if (*pointer == nullptr) return kErrorOutOfMemory;
  std::lock_guard lock(memory_mutex);
  memory_of_host.insert(*pointer);
  return kSuccess;
}
SIMULATED CUresult cuMemFreeHost(void* pointer) {
  std::lock_guard lock(memory_mutex);
  memory_of_host.erase(pointer);
  std::free(pointer);
  return kSuccess;
}
SIMULATED CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* pointer, void* host, unsigned) {
  *pointer = reinterpret_cast<CUdeviceptr>(host);
  return kSuccess;
}
SIMULATED CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  MAY_FAIL;
  if (death.load() != kSuccess) return death.load();
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return kSuccess;
}
SIMULATED CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  MAY_FAIL;
  if (death.load() != kSuccess) return death.load();
  std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
  return kSuccess;
}
SIMULATED CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream) {
  return cuMemcpyHtoD_v2(to, from, bytes);
}
SIMULATED CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream) {
  return cuMemcpyDtoH_v2(to, from, bytes);
}
SIMULATED CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t bytes) {
  if (death.load() != kSuccess) return death.load();
  std::memset(reinterpret_cast<void*>(to), value, bytes);
  return kSuccess;
}
SIMULATED CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream) {
  return cuMemsetD8_v2(to, value, bytes);
}

SIMULATED CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned, int) {
  MAY_FAIL;
  *stream = new StreamOfDriver;
  std::lock_guard lock(streams_mutex);
  streams.insert(*stream);
  return kSuccess;
}
SIMULATED CUresult cuStreamQuery(CUstream stream) {
  while (has_fault(SimulatedFault::QueriesHang))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (const char* file = std::getenv("RK_SIMULATED_DIES_WITH");
      file != nullptr && death.load() == kSuccess && access(file, F_OK) == 0)
    rk_simulate(SimulatedFault::IllegalAddress);
  if (death.load() != kSuccess) return death.load();
  std::lock_guard lock(stream->mutex);
  return stream->unfinished > 0 ? kErrorNotReady : kSuccess;
}
SIMULATED CUresult cuStreamSynchronize(CUstream stream) {
  for (;;) {
    const CUresult result = cuStreamQuery(stream);
    if (result != kErrorNotReady) return result;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}
SIMULATED CUresult cuStreamDestroy_v2(CUstream stream) {
  {
    std::lock_guard lock(streams_mutex);
    streams.erase(stream);
  }
  delete stream;
  return kSuccess;
}
SIMULATED CUresult cuStreamBeginCapture_v2(CUstream stream, int) {
  stream->capture = std::make_unique<GraphOfDriver>();
  return kSuccess;
}
SIMULATED CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  *graph = stream->capture.release();
  return *graph == nullptr ? kErrorInvalidValue : kSuccess;
}
SIMULATED CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph,
                                               unsigned long long) {
  *executable = new GraphExecOfDriver{graph->launches};
  return kSuccess;
}
SIMULATED CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  if (death.load() != kSuccess) return death.load();
  for (const Launch& launch : executable->launches) enqueue(stream, launch);
  return kSuccess;
}
SIMULATED CUresult cuGraphExecDestroy(CUgraphExec executable) {
  delete executable;
  return kSuccess;
}
SIMULATED CUresult cuGraphDestroy(CUgraph graph) {
  delete graph;
  return kSuccess;
}
SIMULATED CUresult cuEventCreate(CUevent*, unsigned) { return kErrorNotSupported; }
SIMULATED CUresult cuEventRecord(CUevent, CUstream) { return kErrorNotSupported; }
SIMULATED CUresult cuEventQuery(CUevent) { return kErrorNotSupported; }
SIMULATED CUresult cuEventDestroy_v2(CUevent) { return kErrorNotSupported; }

SIMULATED CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned, int*, void**) {
  const auto* head = static_cast<const SimulatedImage*>(image);
  if (std::memcmp(head->magic, SimulatedImage::kMagic, sizeof head->magic) != 0)
    return kErrorNoBinaryForGpu;
  const int file = memfd_create("simulated-module", 0);
  const char* bytes = reinterpret_cast<const char*>(head + 1);
  for (uint64_t at = 0; at < head->bytes;) {
    const ssize_t n = write(file, bytes + at, head->bytes - at);
    if (n <= 0) return kErrorUnknown;
    at += static_cast<uint64_t>(n);
  }
  void* library = dlopen(("/proc/self/fd/" + std::to_string(file)).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    error_text = dlerror();
    std::fprintf(stderr, "simulated driver: %s\n", error_text.c_str());
    return kErrorUnknown;
  }
  std::lock_guard lock(modules_mutex);
  // Stays open, as its file does: names must not repeat.
  *module = &modules.emplace_back(ModuleOfDriver{library});
  return kSuccess;
}
SIMULATED CUresult cuModuleUnload(CUmodule) { return kSuccess; }
SIMULATED CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  MAY_FAIL;
  void* symbol = dlsym(module->library, name);
  if (symbol == nullptr) return kErrorNotFound;
  const void* bytes = dlsym(module->library, (std::string(name) + "_argument_bytes").c_str());
  std::lock_guard lock(modules_mutex);
  *function = &functions.emplace_back(FunctionOfDriver{
      reinterpret_cast<Entry>(symbol), bytes == nullptr ? 0 : *static_cast<const size_t*>(bytes)});
  return kSuccess;
}
SIMULATED CUresult cuModuleGetGlobal_v2(CUdeviceptr*, size_t*, CUmodule, const char*) {
  return kErrorNotFound;
}
SIMULATED CUresult cuModuleGetLoadingMode(int* mode) {
  *mode = kModuleEagerLoading;
  return kSuccess;
}
SIMULATED CUresult cuFuncGetAttribute(int* value, int attribute, CUfunction) {
  const int threads = has_fault(SimulatedFault::FewRegisters) ? 256 : 1024;
  *value = attribute == kFunctionMaxThreadsPerBlock ? threads
           : attribute == kFunctionNumRegs          ? 32
                                                    : 0;
  return kSuccess;
}
SIMULATED CUresult cuFuncSetAttribute(CUfunction, int, int) { return kSuccess; }
SIMULATED CUresult cuFuncLoad(CUfunction) {
  MAY_FAIL;
  return kSuccess;
}
SIMULATED CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction, int threads,
                                                               size_t shared) {
  const auto by_memory = static_cast<int>(kSharedBytes / std::max<size_t>(shared, 1));
  *blocks = std::min(std::min(2048 / std::max(threads, 1), 32), by_memory);
  return kSuccess;
}
SIMULATED CUresult cuOccupancyMaxActiveClusters(int* clusters, CUfunction function,
                                                const CUlaunchConfig* config) {
  int blocks = 0;
  cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, static_cast<int>(config->block_x),
                                              config->shared_memory);
  *clusters = blocks * kMultiprocessors / static_cast<int>(config->attributes[0].value.cluster.x);
  return kSuccess;
}
SIMULATED CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function,
                                    void** arguments, void**) {
  unsigned cluster = 1;
  for (unsigned i = 0; i < config->attribute_count; ++i)
    if (config->attributes[i].id == kLaunchCluster) cluster = config->attributes[i].value.cluster.x;
  if (!has_clusters() || config->grid_x % cluster != 0) return kErrorInvalidValue;
  return launch(function, config->grid_x, config->block_x, config->shared_memory, config->stream,
                arguments, cluster);
}
SIMULATED CUresult cuLaunchKernel(CUfunction function, unsigned grid, unsigned, unsigned,
                                  unsigned block, unsigned, unsigned, unsigned shared,
                                  CUstream stream, void** arguments, void**) {
  MAY_FAIL;
  return launch(function, grid, block, shared, stream, arguments);
}
SIMULATED CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid, unsigned, unsigned,
                                             unsigned block, unsigned, unsigned, unsigned shared,
                                             CUstream stream, void** arguments) {
  return launch(function, grid, block, shared, stream, arguments);
}
}  // extern "C"
