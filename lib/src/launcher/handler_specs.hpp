// From a topology's kernels to what the handlers room needs to know of them.
#pragma once

#include <vector>

#include "handlers/handler_spec.hpp"
#include "topology/topology.hpp"

namespace ringkernel::launcher {

handlers::HandlerSpec handler_spec(const topology::Topology& topology,
                                   const topology::Kernel& kernel);

std::vector<handlers::HandlerSpec> handler_specs(const topology::Topology& topology);

// Of the kernels that may run on the CPU.
std::vector<handlers::HandlerSpec> handler_specs_for_host(const topology::Topology& topology);

}  // namespace ringkernel::launcher
