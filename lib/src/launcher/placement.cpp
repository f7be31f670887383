#include "launcher/placement.hpp"

#include <algorithm>
#include <charconv>

#include "backends/cuda/device.hpp"
#include "handlers/device_compiler.hpp"
#include "launcher/handler_specs.hpp"

namespace ringkernel::launcher {
namespace {

using backends::cuda::DeviceProperties;

tl::unexpected<StartError> unavailable(const topology::Kernel& kernel, const std::string& why) {
  return tl::unexpected(StartError{
      ExitCode::Unavailable,
      {ErrorCode::BackendUnavailable,
       "kernel '" + kernel.name + "': backend cuda is not available on this machine: " + why +
           "; 'backend: auto' takes the CPU where it is not",
       ""}});
}

// The device that a kernel asks for by number or UUID, or the first that is usable.
Result<DeviceProperties> find_device(const topology::Kernel& kernel,
                                     const std::vector<DeviceProperties>& devices) {
  std::string why = "there is no GPU";
  for (const DeviceProperties& device : devices) {
    const bool named = device.uuid == kernel.device || device.uuid.ends_with("-" + kernel.device);
    int ordinal = -1;
    std::from_chars(kernel.device.data(), kernel.device.data() + kernel.device.size(), ordinal);
    const bool wanted =
        kernel.device.empty() || kernel.device == "any" || named ||
        (!named && std::to_string(ordinal) == kernel.device && ordinal == device.ordinal);
    if (!wanted) {
      why = "it has no device '" + kernel.device + "'";
      continue;
    }
    if (device.unusable().empty()) return device;
    why = device.name + ": " + device.unusable();
  }
  return fail(ErrorCode::BackendUnavailable, why);
}

}  // namespace

tl::expected<std::vector<Placement>, StartError> place_kernels(
    const topology::Topology& topology, Backend wanted,
    const std::function<void(const std::string&)>& warn) {
  std::vector<Placement> placements(topology.kernels.size());
  auto backend_of = [&](const topology::Kernel& kernel) {
    return kernel.backend == Backend::Auto ? wanted : kernel.backend;
  };
  if (std::all_of(topology.kernels.begin(), topology.kernels.end(),
                  [&](const auto& kernel) { return backend_of(kernel) == Backend::Cpu; }))
    return placements;

  const auto driver = backends::cuda::Driver::open();
  Result<std::vector<DeviceProperties>> devices = std::vector<DeviceProperties>();
  if (driver) devices = (*driver)->devices();
  std::string why;
  if (!driver)
    why = driver.error().message;
  else if (!devices)
    why = devices.error().message;

  struct Place {
    size_t kernel = 0;
    int ordinal = 0;
  };
  std::vector<Place> places;
  std::vector<handlers::DeviceTarget> targets;
  for (size_t i = 0; i < topology.kernels.size(); ++i) {
    const topology::Kernel& kernel = topology.kernels[i];
    const Backend backend = backend_of(kernel);
    if (backend == Backend::Cpu) continue;
    auto device =
        why.empty() ? find_device(kernel, *devices) : fail(ErrorCode::BackendUnavailable, why);
    if (device) {
      places.push_back({i, device->ordinal});
      targets.push_back(
          {handler_spec(topology, kernel), handlers::device_target(device->major, device->minor)});
    } else if (backend == Backend::Cuda) {
      return unavailable(kernel, device.error().message);
    } else if (devices && !devices->empty()) {
      // Where there is no GPU, the CPU is what is expected: the ready line says it.
      warn("kernel '" + kernel.name + "' runs on the CPU: " + device.error().message);
    }
  }

  const handlers::ArtefactCache cache(handlers::default_cache_folder());
  auto codes = handlers::compile_for_device(targets, cache);
  for (size_t i = 0; i < places.size(); ++i) {
    const topology::Kernel& kernel = topology.kernels[places[i].kernel];
    Result<handlers::DeviceCode>& code = codes[i];
    if (code) {
      auto module = handlers::device_module(targets[i].spec, code->layout);
      if (!module) return tl::unexpected(StartError{ExitCode::Invalid, module.error()});
      placements[places[i].kernel] = {places[i].ordinal, std::move(code->image), *module};
      continue;
    }
    const bool insists = backend_of(kernel) == Backend::Cuda;
    if (code.error().code == ErrorCode::CompilerNotFound) {
      if (insists) return unavailable(kernel, code.error().message);
      warn("kernel '" + kernel.name + "' runs on the CPU: " + code.error().message);
      continue;
    }
    const std::string text =
        "the handler of kernel '" + kernel.name + "' does not compile for CUDA";
    if (insists)
      return tl::unexpected(StartError{
          ExitCode::Invalid, {code.error().code, text + "\n" + code.error().message, ""}});
    warn(text + " and runs on the CPU; 'ringk check --compile' shows why");
  }
  return placements;
}

}  // namespace ringkernel::launcher
