// The effective topology as YAML: merged, interpolated, every default filled in. Loading it gives
// an equal topology, from any working folder.
#pragma once

#include <string>

#include "topology/topology.hpp"

namespace ringkernel::topology {

std::string print(const Topology& topology);

// The value of a field's default as a declaration spells it.
std::string print_value(const schema::Type& type, const std::byte* value);

}  // namespace ringkernel::topology
