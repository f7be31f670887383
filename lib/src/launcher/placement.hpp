// Which kernel runs where: on the CPU, or on a GPU with its handler compiled for it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "launcher/running_topology.hpp"
#include "topology/topology.hpp"

namespace ringkernel::launcher {

struct Placement {
  std::optional<int> device;              // a GPU's ordinal; none: the CPU
  std::string image;                      // the handler for it
  const HandlerModule* module = nullptr;  // of a handler for it
};

// For each kernel of the topology, in its order. `wanted` stands in for kernels with `backend:
// auto`. A kernel with auto that a GPU of this machine cannot run, or whose handler does not
// compile for it, runs on the CPU, and `warn` says why; one with cuda does not: Unavailable without
// a usable device, Invalid where its handler does not compile.
tl::expected<std::vector<Placement>, StartError> place_kernels(
    const topology::Topology& topology, Backend wanted,
    const std::function<void(const std::string&)>& warn);

}  // namespace ringkernel::launcher
