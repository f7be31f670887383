// What this machine has for ringk: built-in handlers, devices that run kernels, topologies that run
// now, and whether anything is missing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ringkernel/error.hpp"
#include "ringkernel/export.hpp"

namespace ringkernel {

// What CUDA tells of a GPU.
struct GpuInfo {
  int index = 0;
  std::string uuid;                // "GPU-..."; "MIG-...": a slice of one
  std::string pci;                 // "0000:01:00.0"
  std::string compute_capability;  // "9.0"
  std::string driver;              // the CUDA that its driver serves: "13.0"
  uint64_t memory = 0;             // bytes
  int multiprocessors = 0;
  bool cooperative_launch = false;
  bool cluster_launch = false;
  bool watchdog = false;  // ends kernels that run for seconds
  bool mps = false;
  bool mig = false;
  std::vector<int> peers;  // indices of the devices whose memory it reaches
};

struct DeviceInfo {
  std::string name;            // "cpu", "cuda0"; "cuda": no device of that kind
  std::string description;     // "8 cores, AMD EPYC 9554"
  std::string unavailable;     // why it cannot be used; empty where it can
  std::optional<GpuInfo> gpu;  // of a GPU
};
RK_API std::vector<DeviceInfo> devices();

struct BuiltinInfo {
  std::string name;
  std::string description;
};
RK_API std::vector<BuiltinInfo> builtins();

struct TopologyInfo {
  std::string name;
  std::string state;  // "starting", "ready", ...; "unresponsive" where it gave no answer in time
  int64_t pid = 0;
  double uptime_s = 0;
};
// Asks each topology that runs, two seconds at most.
RK_API Result<std::vector<TopologyInfo>> topologies();

// What `list` shows; the kinds that were not asked for are absent.
struct Listing {
  std::optional<std::vector<BuiltinInfo>> builtins;
  std::optional<std::vector<DeviceInfo>> devices;
  std::optional<std::vector<TopologyInfo>> topologies;
};
// A document of schema "ringk.list/1".
RK_API std::string to_json(const Listing& listing);

// One thing that a launch may need, tried out.
struct MachineCheck {
  enum class Outcome : uint8_t { Ok, Missing, Failed } outcome = Outcome::Ok;
  std::string name;    // "compiler"
  std::string detail;  // what was found, or what is wrong and what to do
};
// Missing: ringk runs without it; Failed: it does not. Compiles a small handler, makes the folders
// that a launch would make, takes a socket's address; leaves nothing else behind.
RK_API std::vector<MachineCheck> check_machine();
// A document of schema "ringk.doctor/1".
RK_API std::string to_json(const std::vector<MachineCheck>& checks);

}  // namespace ringkernel
