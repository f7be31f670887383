#include "launcher/cuda_devices.hpp"

#include <array>
#include <cstdio>

#include "backends/cuda/driver.hpp"

namespace ringkernel::launcher {
namespace {

using backends::cuda::DeviceProperties;
using backends::cuda::Driver;

std::string version_text(int version) {  // 13020: 13.2
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

GpuInfo gpu_of(const DeviceProperties& device, const Driver& driver) {
  GpuInfo gpu;
  gpu.index = device.ordinal;
  gpu.uuid = device.uuid;
  gpu.pci = device.pci;
  gpu.compute_capability = std::to_string(device.major) + "." + std::to_string(device.minor);
  gpu.driver = version_text(driver.version());
  gpu.memory = device.memory;
  gpu.multiprocessors = device.multiprocessors;
  gpu.cooperative_launch = device.cooperative_launch;
  gpu.cluster_launch = device.cluster_launch;
  gpu.watchdog = device.watchdog;
  gpu.mps = device.mps;
  gpu.mig = device.mig;
  gpu.peers = device.peers;
  return gpu;
}

std::string description_of(const std::string& name, const GpuInfo& gpu) {
  std::array<char, 32> memory{};
  snprintf(memory.data(), memory.size(), "%.1f GiB",
           static_cast<double>(gpu.memory) / (1024.0 * 1024 * 1024));
  std::string text = name + ", compute capability " + gpu.compute_capability + ", " +
                     std::to_string(gpu.multiprocessors) + " SMs, " + memory.data() +
                     ", driver for CUDA " + gpu.driver;
  if (gpu.cooperative_launch) text += ", cooperative launch";
  if (gpu.cluster_launch) text += ", clusters";
  if (gpu.mig) text += ", MIG";
  if (gpu.mps) text += ", MPS";
  if (gpu.watchdog) text += ", display watchdog";
  for (const int peer : gpu.peers) text += ", P2P with cuda" + std::to_string(peer);
  return text;
}

}  // namespace

std::vector<DeviceInfo> cuda_devices() {
  const auto driver = Driver::open();
  if (!driver) return {{"cuda", {}, driver.error().message, {}}};
  const auto devices = (*driver)->devices();
  if (!devices) return {{"cuda", {}, devices.error().message, {}}};
  if (devices->empty()) return {{"cuda", {}, "the NVIDIA driver shows no GPU", {}}};
  std::vector<DeviceInfo> found;
  for (const DeviceProperties& device : *devices) {
    GpuInfo gpu = gpu_of(device, **driver);
    std::string description = description_of(device.name, gpu);
    found.push_back({"cuda" + std::to_string(device.ordinal), std::move(description),
                     device.unusable(), std::move(gpu)});
  }
  return found;
}

}  // namespace ringkernel::launcher
