#include "cuda/ladder/gpu.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "cuda/ladder/measurement.hpp"
#include "handlers/device_compiler.hpp"
#include "handlers/host_compiler.hpp"

namespace ladder {
namespace {

using namespace ringkernel;

template <class T>
T value_of(Result<T> result, const std::string& what) {
  if (!result) throw Wrong(what + ": " + to_string(result.error()));
  return std::move(*result);
}

}  // namespace

Gpu::Gpu(const std::string& source)
    : mapped_(
          [this](size_t bytes) -> Result<char*> {
            void* memory = nullptr;
            demand_ok(
                api().cuMemHostAlloc(&memory, bytes,
                                     cuda::kMemHostAllocPortable | cuda::kMemHostAllocDeviceMap),
                "mapping memory");
            return static_cast<char*>(memory);
          },
          [](char*) {}),
      on_device_(
          [this](size_t bytes) -> Result<char*> {
            cuda::CUdeviceptr memory = 0;
            demand_ok(api().cuMemAlloc(&memory, bytes), "taking memory");
            return reinterpret_cast<char*>(memory);
          },
          [](char*) {}) {
  driver_ = value_of(cuda::Driver::open(), "opening the driver");
  properties_ = value_of(driver_->devices(), "looking for devices").at(0);
  const char* told = std::getenv("RINGK_CUDA_LIBRARY");
  void* library = dlopen(told != nullptr && *told != '\0' ? told : "libcuda.so.1", RTLD_NOW);
  demand(library != nullptr, "the driver cannot be opened twice");
  using namespace ringkernel::backends::cuda;
#define RK_FIND(member, symbol, parameters)                                           \
  graphs_.member = reinterpret_cast<CUresult(*) parameters>(dlsym(library, #symbol)); \
  demand(graphs_.member != nullptr, "the driver has no " #symbol);
  RK_CUDA_GRAPH_API(RK_FIND)
#undef RK_FIND
  cuda::CUcontext context = nullptr;
  demand_ok(api().cuDevicePrimaryCtxRetain(&context, properties_.handle), "making a context");
  demand_ok(api().cuCtxSetCurrent(context), "entering the context");
  const std::string image = compile(source);
  cuda::CUmodule module = nullptr;
  demand_ok(api().cuModuleLoadDataEx(&module, image.data(), 0, nullptr, nullptr), "loading");
  for (const auto& [function, name] : {std::pair{&one_message, "one_message"},
                                       {&batch, "batch"},
                                       {&ping_pong, "ping_pong"},
                                       {&load, "load"}}) {
    demand_ok(api().cuModuleGetFunction(function, module, name), name);
    demand_ok(api().cuFuncLoad(*function), name);
  }
  demand_ok(api().cuStreamCreateWithPriority(&stream_, cuda::kStreamNonBlocking, 0), "a stream");
}

void Gpu::demand_ok(cuda::CUresult result, const char* what) const {
  if (result != cuda::kSuccess) throw Wrong(driver_->error(result, what).message);
}

std::string Gpu::compile(const std::string& source) const {
  const auto* nvrtc = value_of(handlers::Nvrtc::open(), "opening NVRTC");
  handlers::Nvrtc::Unit unit;
  unit.text = "#define RK_LADDER_ENTRIES\n#include \"cuda/ladder/baseline_kernels.hpp\"\n";
  unit.name = "baseline_kernels";
  unit.architecture = handlers::device_target(*nvrtc, properties_.major, properties_.minor);
  unit.include = {value_of(handlers::include_folder(), "the headers"), source + "/tests"};
  unit.options = {"--std=c++20", "-default-device"};
  const auto compiled = value_of(nvrtc->compile(unit), "compiling the baselines");
  return compiled.cubin.empty() ? compiled.ptx : compiled.cubin;
}

void* Gpu::mapped_bytes(size_t bytes) {
  void* memory = value_of(mapped_.allocate(bytes), "mapping memory");
  std::memset(memory, 0, bytes);
  return memory;
}

void* Gpu::device_bytes(size_t bytes) {
  char* memory = value_of(on_device_.allocate(bytes), "taking memory");
  demand_ok(api().cuMemsetD8Async(reinterpret_cast<cuda::CUdeviceptr>(memory), 0, bytes, stream_),
            "zeroing memory");
  synchronize();
  return memory;
}

}  // namespace ladder
