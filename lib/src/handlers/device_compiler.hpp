// From a handler to code for a GPU: by NVRTC, or out of the artefact cache. Where nvJitLink is at
// hand, what all kernels share is compiled once and linked to each.
#pragma once

#include <string>
#include <vector>

#include "handlers/artefact_cache.hpp"
#include "handlers/handler_spec.hpp"
#include "handlers/nvrtc.hpp"
#include "handlers/nvrtc_output.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

struct DeviceCode {
  std::string image;  // what the driver loads: a cubin, or PTX for "compute_NN"
  KernelUsage usage;  // of the entry kDeviceEntry; none of PTX
  HandlerLayout layout;
  bool compiled = false;  // false: found in the cache
};

// `architecture`: "sm_90", "compute_90". A built-in is compiled too. Any number of threads at a
// time. CompilationError (the compiler's own sentences, at the user's file and line), NotFound (no
// handler file), CompilerNotFound (there is no NVRTC, and the cache holds nothing that another
// machine has made of the same sources). An unusable cache is no error.
Result<DeviceCode> compile_for_device(const HandlerSpec& spec, const std::string& architecture,
                                      const ArtefactCache& cache);

// The module of a handler that runs as such code. Lives until the process ends. ValidationError: a
// built-in's declaration does not fit.
Result<const HandlerModule*> device_module(const HandlerSpec& spec, const HandlerLayout& layout);

// Several of them side by side; a result for each.
struct DeviceTarget {
  HandlerSpec spec;
  std::string architecture;
};
std::vector<Result<DeviceCode>> compile_for_device(const std::vector<DeviceTarget>& targets,
                                                   const ArtefactCache& cache);

// The same for a handler struct of a program, `type`, in the header `source`, which is looked for
// in the folders of `include`.
Result<DeviceCode> compile_struct_for_device(const std::string& source, const std::string& type,
                                             const std::vector<std::string>& include,
                                             const std::string& architecture,
                                             const ArtefactCache& cache);

// The code that all resident kernels share, see RK_SHARED in device/platform.hpp. It may use all
// the registers that leave a GPU room for four blocks of 256 threads on each of its processors.
Result<Nvrtc::Unit> shared_unit(const std::string& architecture);

// What to compile for, for a device of this compute capability: its own architecture, else the
// nearest below that it runs too, else PTX, for the driver to finish. Empty: it is too old.
std::string device_target(const Nvrtc& nvrtc, int major, int minor);
// By this machine's NVRTC; without one the device's own architecture.
std::string device_target(int major, int minor);

}  // namespace ringkernel::handlers
