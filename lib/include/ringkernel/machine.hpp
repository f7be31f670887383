// What this machine has for ringk: devices that run kernels, and topologies that run now.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ringkernel/error.hpp"
#include "ringkernel/export.hpp"

namespace ringkernel {

struct DeviceInfo {
  std::string name;         // "cpu", "cuda"
  std::string description;  // "8 cores, AMD EPYC 9554"
  std::string unavailable;  // why it cannot be used; empty where it can
};
RK_API std::vector<DeviceInfo> devices();

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
  std::optional<std::vector<DeviceInfo>> devices;
  std::optional<std::vector<TopologyInfo>> topologies;
};
// A document of schema "ringk.list/1".
RK_API std::string to_json(const Listing& listing);

}  // namespace ringkernel
